"""The state of a household: facts that actions add and remove, and questions about them."""

from collections.abc import Iterable

from lemur.agents.household.problem import Fact, Problem


class House:
    def __init__(self, problem: Problem) -> None:
        self.facts = {predicate: set(known) for predicate, known in problem.facts.items()}
        self.names = problem.names
        self._ids = {name: each for each, name in problem.names.items()}
        self._left: set[Fact] = set()
        """Facts of `inreceptacle` that no longer hold: TextWorld shows such objects next to the receptacle."""
        self.agent = next(iter(self.facts["atlocation"]))[1]

    def id(self, name: str) -> str | None:
        return self._ids.get(name)

    def has(self, *fact: str) -> bool:
        return fact in self.facts.get(fact[0], ())

    def add(self, *fact: str) -> None:
        self.facts.setdefault(fact[0], set()).add(fact)
        self._left.discard(fact)

    def remove(self, *fact: str) -> None:
        self.facts.get(fact[0], set()).discard(fact)
        if fact[0] == "inreceptacle":
            self._left.add(fact)

    def first(self, predicate: str, second: str) -> list[str]:
        """The sorted `x` for which predicate(x, second) holds."""
        return sorted(fact[1] for fact in self.facts.get(predicate, ()) if fact[2] == second)

    @property
    def location(self) -> str:
        return next(iter(self.facts["atlocation"]))[2]

    @property
    def held(self) -> list[str]:
        return sorted(fact[2] for fact in self.facts.get("holds", ()))

    def receptacles(self) -> list[str]:
        return sorted(fact[1] for fact in self.facts.get("receptacleatlocation", ()))

    def receptacles_here(self) -> list[str]:
        return self.first("receptacleatlocation", self.location)

    def is_closed(self, receptacle: str) -> bool:
        return self.has("openable", receptacle) and not self.has("opened", receptacle)

    def is_reachable(self, receptacle: str) -> bool:
        """Whether the agent can put things into it and take them out."""
        return receptacle in self.receptacles_here() and not self.is_closed(receptacle)

    def is_type(self, thing: str, kind: str, types: Iterable[str]) -> bool:
        """`kind`: objecttype or receptacletype."""
        return any(self.has(kind, thing, each) for each in types)

    def fits(self, item: str, receptacle: str) -> bool:
        """Whether things of this type may be put into receptacles of that type."""
        return any(
            self.has("receptacletype", receptacle, fact[1]) and self.has("objecttype", item, fact[2])
            for fact in self.facts.get("cancontain", ())
        )

    def next_to_receptacles(self) -> list[str]:
        """Objects here that left a receptacle here, once for each such receptacle."""
        here = self.receptacles_here()
        return [
            item
            for item in self.first("objectatlocation", self.location)
            for receptacle in here
            if ("inreceptacle", item, receptacle) in self._left
        ]
