"""How often what was lost may be sent again: a share of what is sent, so that a subgraph in trouble is never asked twice as much."""

from dataclasses import dataclass

SHARE = 0.1  #: Of all requests.
MOST_SAVED = 20.0  #: For a moment in which many are lost at once, as when a process ends.


@dataclass(slots=True)
class Budget:
    """Of one subgraph."""

    saved: float = MOST_SAVED

    def earn(self) -> None:
        """For each request that is sent for the first time."""
        if self.saved < MOST_SAVED:
            self.saved += SHARE

    def spend(self) -> bool:
        """For one that would be sent again. -> whether it may."""
        if self.saved < 1:
            return False
        self.saved -= 1
        return True
