"""What the tests of real models share: texts whose order of merit is beyond doubt."""

from __future__ import annotations

PARAGRAPH = (
    "The lighthouse on the northern cape was built in 1874, after three ships had been lost on the reef in a single winter. "
    "Its keeper climbed the stairs every evening to light the lamp, and wrote the weather into a large book that is now kept "
    "in the museum of the town. When electricity came, the keeper stayed on for another twenty years, because the people of "
    "the village did not trust a light that nobody looked after."
)
SHUFFLED = " ".join(sorted(PARAGRAPH.split(), key=lambda word: word[::-1]))

ARTICLE = (
    "The city council of Halden voted on Tuesday to close the old bridge over the river Tista for repairs from May to September. "
    "The work will cost 4.2 million euros. Cyclists may use a temporary bridge, but cars must take the road through Sarp."
)
FAITHFUL = (
    "Halden closes its old bridge over the Tista from May to September for repairs that cost 4.2 million euros.",
    "Cars must go through Sarp while the bridge in Halden is repaired; cyclists get a temporary bridge.",
)
FALSE = (
    "The mayor of Oslo opened a new airport on Sunday, and 900 people were hurt in a fire at the stadium.",
    "The council refused to repair the bridge, banned cyclists for ever, and sold the river to a company from Spain.",
)
