"""What operators see of payment sites that are asked: that they were, how it went, and nothing of whom it was about."""

import pytest

from services import tracing
from services.billing.provider import ProviderTrouble, exchange
from tests.collector import collecting, told

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_a_payment_site_that_is_asked_is_a_span_without_a_word_of_what_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        tracing.collect("billing", tracing.Collecting())
        token = tracing.traceparent.set(TRACE)
        try:
            await exchange("POST", f"{collector.url}/v1/traces", params={"email": "canari@example.org"}, content=b"")
            with pytest.raises(ProviderTrouble):
                await exchange("GET", "http://127.0.0.1:9/canari", headers={"x": "canari"})
        finally:
            tracing.traceparent.reset(token)
            tracing.stop()
        spans = [span for _, span in collector.spans(TRACE[3:35])]
    assert [span.name for span in spans] == ["POST payment provider", "GET payment provider"]
    assert [told(span).get("http.response.status_code") for span in spans] == [200, None]
    assert [told(span).get("error.type") for span in spans] == [None, "ProviderTrouble"]
    assert {span.parent_span_id.hex() for span in spans} == {TRACE[36:52]}
    assert "canari" not in str(spans)
