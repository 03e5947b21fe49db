"""The engine `household`: plays the problem of an ALFWorld game in Python, with the texts of the real engine.

The rules are the actions of ALFWorld's alfred.pddl. benchmarks/alfworld.py compares it with the real engine.
"""

import re
from collections.abc import Callable

from lemur.agents.household import sight
from lemur.agents.household.game_file import GameFile
from lemur.agents.household.house import House
from lemur.agents.household.problem import holds, read_problem

NOTHING = "Nothing happens."


class HouseholdGame:
    """Members: see `Game` in game.py."""

    engine = "household"

    def __init__(self, file: GameFile, limit: int) -> None:
        """Raises `ValueError` if the file's problem cannot be played."""
        problem = read_problem(file.problem)
        self._house, self._goal = House(problem), problem.goal
        self._is_new, self._limit = file.is_new, limit
        self.puts = file.puts
        self.steps, self.done, self.won = 0, False, False
        self.opening = f"{sight.around(self._house, start=True)}\nYour task is to: {file.task}"
        self._last = self.opening

    def command(self, text: str) -> str:
        if not self.done:
            self.steps += 1
            self._last = self._act(text.strip()) or NOTHING
            self.won = holds(self._goal, self._house.facts)
            self.done = self.won or self.steps >= self._limit
        return self._last

    def close(self) -> None:
        pass

    def _act(self, text: str) -> str | None:
        """What follows from a command; `None` if it is no command or not possible now."""
        if text == "look":
            return sight.around(self._house)
        if text == "inventory":
            held = self._house.held
            return f"You are carrying: {sight.listed(self._house, held)}." if held else "You are not carrying anything."
        for pattern, act in self._verbs().items():
            if match := re.fullmatch(pattern, text):
                ids = [self._house.id(name) for name in match.groups()]
                return None if None in ids else act(*ids)
        return None

    def _verbs(self) -> dict[str, Callable[..., str | None]]:
        return {
            r"go to (.+)": self._go,
            r"open (.+)": self._open,
            r"close (.+)": self._close,
            r"examine (.+)": self._examine,
            r"use (.+)": self._use,
            r"take (.+) from (.+)": self._take,
            self.puts.replace("{}", "(.+)"): self._put,
            r"clean (.+) with (.+)": self._clean,
            r"heat (.+) with (.+)": self._heat,
            r"cool (.+) with (.+)": self._cool,
            r"slice (.+) with (.+)": self._slice,
        }

    def _name(self, each: str) -> str:
        return self._house.names[each]

    def _go(self, receptacle: str) -> str | None:
        house = self._house
        targets = [fact[2] for fact in house.facts["receptacleatlocation"] if fact[1] == receptacle]
        if not targets or targets[0] == house.location:
            return None
        house.remove("atlocation", house.agent, house.location)
        house.add("atlocation", house.agent, targets[0])
        place = receptacle if self._is_new else targets[0]
        return f"You arrive at {self._name(place)}. {sight.receptacle(house, receptacle)}"

    def _open(self, receptacle: str) -> str | None:
        if receptacle not in self._house.receptacles_here() or not self._house.is_closed(receptacle):
            return None
        self._house.add("opened", receptacle)
        return f"You open the {self._name(receptacle)}. {sight.receptacle(self._house, receptacle)}"

    def _close(self, receptacle: str) -> str | None:
        if not self._house.is_reachable(receptacle) or not self._house.has("openable", receptacle):
            return None
        self._house.remove("opened", receptacle)
        return f"You close the {self._name(receptacle)}."

    def _examine(self, thing: str) -> str | None:
        house = self._house
        if thing in house.receptacles_here():
            return sight.receptacle(house, thing)
        return sight.item(house, thing) if thing in house.held or self._is_seen(thing) else None

    def _is_seen(self, item: str) -> bool:
        here = self._house.receptacles_here()
        return any(self._house.has("inreceptacle", item, each) and not self._house.is_closed(each) for each in here)

    def _use(self, item: str) -> str | None:
        # Also in a closed receptacle, as the action ToggleObject has it.
        house = self._house
        if not house.has("toggleable", item) or not any(
            house.has("inreceptacle", item, each) for each in house.receptacles_here()
        ):
            return None
        house.add("istoggled", item)
        return f"You turn on the {self._name(item)}."

    def _take(self, item: str, receptacle: str) -> str | None:
        house = self._house
        possible = house.has("pickupable", item) and house.has("inreceptacle", item, receptacle)
        if not possible or not house.is_reachable(receptacle) or house.held:
            return None
        house.remove("inreceptacle", item, receptacle)
        house.remove("objectatlocation", item, house.location)
        house.add("holds", house.agent, item)
        return f"You pick up the {self._name(item)} from the {self._name(receptacle)}."

    def _put(self, item: str, receptacle: str) -> str | None:
        house = self._house
        if item not in house.held or not house.is_reachable(receptacle) or not house.fits(item, receptacle):
            return None
        house.remove("holds", house.agent, item)
        house.add("inreceptacle", item, receptacle)
        house.add("objectatlocation", item, house.location)
        if self._is_new:
            return f"You move the {self._name(item)} to the {self._name(receptacle)}."
        return f"You put the {self._name(item)} in/on the {self._name(receptacle)}."

    def _clean(self, item: str, receptacle: str) -> str | None:
        if not self._can_treat(item, "cleanable", receptacle, "sinkbasintype", "sinktype"):
            return None
        self._house.add("isclean", item)
        return f"You clean the {self._name(item)} using the {self._name(receptacle)}."

    def _heat(self, item: str, receptacle: str) -> str | None:
        if not self._can_treat(item, "heatable", receptacle, "microwavetype"):
            return None
        self._house.add("ishot", item)
        self._house.remove("iscool", item)
        return f"You heat the {self._name(item)} using the {self._name(receptacle)}."

    def _cool(self, item: str, receptacle: str) -> str | None:
        if not self._can_treat(item, "coolable", receptacle, "fridgetype"):
            return None
        self._house.add("iscool", item)
        self._house.remove("ishot", item)
        return f"You cool the {self._name(item)} using the {self._name(receptacle)}."

    def _can_treat(self, item: str, ability: str, receptacle: str, *types: str) -> bool:
        house = self._house
        is_place = receptacle in house.receptacles_here() and house.is_type(receptacle, "receptacletype", types)
        return is_place and item in house.held and house.has(ability, item)

    def _slice(self, item: str, knife: str) -> str | None:
        house = self._house
        is_knife = knife in house.held and house.is_type(knife, "objecttype", ["knifetype", "butterknifetype"])
        possible = house.has("sliceable", item) and house.has("objectatlocation", item, house.location)
        if not is_knife or not possible:
            return None
        house.add("issliced", item)
        return f"You sliced the {self._name(item)} with the {self._name(knife)}."
