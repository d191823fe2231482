"""`preau plan`: what the gateway would ask of whom, for people and for programs, without anything running."""

import json
import re
from pathlib import Path

from typer.testing import CliRunner, Result

from deploy.cli import app
from gateway.drafts import Part, Parts
from gateway.explaining import _part

HOME = """query Home($month: YearMonth!, $places: Boolean = true) {
  me { families { children { firstName calendar(month: $month) @include(if: $places) { days { date } } } balance { lines { balanceCents } } } }
}"""
TOLD = """query Home, where $places is true: N points, 3 requests in 2 steps

step 1
  1 identity
      {
        me {
          families {
            children {
              firstName
              id
            }
            id
          }
        }
      }

step 2, at the same time
  2 booking, after 1: Child by id, at me.families.children
      query ($representations: [_Any!]!, $month: YearMonth!) {
        _entities(representations: $representations) {
          ... on Child {
            calendar(month: $month) {
              days {
                date
              }
            }
          }
        }
      }
  3 billing, after 1: Family by id, at me.families
      query ($representations: [_Any!]!) {
        _entities(representations: $representations) {
          ... on Family {
            balance {
              lines {
                balanceCents
              }
            }
          }
        }
      }
"""


def plan(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, ["plan", *arguments], input=stdin)


def test_a_query_a_file_and_standard_input_are_told_alike(tmp_path: Path) -> None:
    file = tmp_path / "home.graphql"
    file.write_text(HOME)
    said = plan(HOME).output
    assert said == plan(str(file)).output == plan("-", stdin=HOME).output
    assert re.sub(r"\d+ points", "N points", said, count=1) == TOLD


def test_programs_get_json_and_conditions_count() -> None:
    told = json.loads(plan(HOME, "--json", "--variables", '{"places": false}').output)
    assert (told["kind"], told["operation"], told["conditions"]) == ("query", "Home", {"places": False})
    assert told["cost"] > 1
    assert [(each["service"], each["after"]) for each in told["requests"]] == [("identity", []), ("billing", [1])]
    assert told["requests"][1]["about"] == {"type": "Family", "at": "me.families", "by": "id"}
    document = "query($representations:[_Any!]!){_entities(representations:$representations){...on Family{balance{lines{balanceCents}}}}}"
    assert told["requests"][1]["document"] == document


def test_what_is_not_a_mere_query_is_told_too() -> None:
    live = plan('subscription { calendarChanged(child: "amalia", month: "2026-12") { days { date } } }').output
    assert "and again after each event that calendarChanged depends on" in live
    assert 'calendarChangedWatch(child: "amalia", month: "2026-12")' in live
    door = (
        'mutation { signIn(login: "l", password: "p") { ... on SignedIn { account { families { balance { lines { balanceCents } } } } } } }'
    )
    assert "with the token that signIn<SignedIn>.accessToken brings" in plan(door).output
    schema = plan("{ __schema { types { name } } }").output
    assert schema.partition("points, ")[2].startswith("no request\n\nthe gateway itself answers\n    {\n      __schema")


def test_a_mistake_is_said_plainly_with_exit_code_2() -> None:
    for arguments, said in (
        (["{ me { nope } }"], "line 1, column 8: Cannot query field 'nope' on type 'Account'.\n"),
        (["{ me {"], "line 1, column 7: Syntax Error"),
        (["no-such-file"], "no-such-file: No such file or directory. Give a query"),
        (["query A { me { id } } query B { me { id } }"], "Say which of the operations"),
        (["{ me { id } }", "--operation", "B"], "The document has no operation 'B'."),
        (["{ me { id } }", "--variables", "[]"], "--variables is not a JSON object"),
    ):
        done = plan(*arguments)
        assert done.exit_code == 2, arguments
        assert done.stderr.startswith(said), (arguments, done.stderr)
        assert done.stdout == ""
    assert plan("query A { me { id } } query B { me { login } }", "--operation", "B").output.startswith("query B: 2 points, 1 request")


def test_keys_are_told_as_the_schema_has_them() -> None:
    child = Part("child", "child", Parts(abstract=False, fields={"Child": [Part("id", "id", None)]}))
    owner = Part("owner", "o", Parts(abstract=True, fields={"A": [Part("id", "id", None)], "B": [Part("code", "code", None)]}))
    assert [_part(child), _part(owner)] == ["child { id }", "owner { ... on A { id } ... on B { code } }"]
