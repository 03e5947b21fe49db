"""What the agent reads about a household: the texts of ALFWorld's grammar, alfred.twl2."""

from collections.abc import Iterable

from lemur.agents.household.house import House


def around(house: House, *, start: bool = False) -> str:
    """`look`; at the start of a game it shows the whole room, later nothing where no receptacle is."""
    if here := house.receptacles_here():
        facing = _joined(house.names[each] for each in here)
        return f"You are facing the {facing}. Next to it, you see {listed(house, house.next_to_receptacles())}."
    seen = listed(house, house.receptacles() if start else [])
    return f"You are in the middle of a room. Looking quickly around you, you see {seen}."


def receptacle(house: House, each: str) -> str:
    name = house.names[each]
    if house.is_closed(each):
        return f"The {name} is closed."
    contents = listed(house, house.first("inreceptacle", each))
    if house.has("openable", each):
        return f"The {name} is open. In it, you see {contents}."
    return f"On the {name}, you see {contents}."


def item(house: House, each: str) -> str:
    name = house.names[each]
    if house.has("isreceptacleobject", each):
        return f"This is a normal {name}. In it, you see {listed(house, house.first('inreceptacleobject', each))}."
    clean, hot, cool = (house.has(state, each) for state in ("isclean", "ishot", "iscool"))
    sliced = "sliced " if house.has("issliced", each) else ""
    if clean and (hot or cool):
        return f"This is a {'hot' if hot else 'cool'} and clean {sliced}{name}."
    if sliced and (clean or hot or cool):
        return f"This is a {'clean' if clean else 'hot' if hot else 'cool'} sliced {name}."
    if hot or clean or cool:
        return f"This is a {'hot' if hot else 'clean' if clean else 'cold'} {name}."
    if house.has("toggleable", each) and house.has("istoggled", each):
        return f"This {name} is on."
    if house.has("sliceable", each) and sliced:
        return f"This is a sliced {name}."
    return f"There's nothing special about {name}."


def listed(house: House, ids: Iterable[str]) -> str:
    return _joined(f"a {house.names[each]}" for each in ids)


def _joined(names: Iterable[str]) -> str:
    *most, last = list(names) or ["nothing"]
    return f"{', '.join(most)}, and {last}" if most else last
