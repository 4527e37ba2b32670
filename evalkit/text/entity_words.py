"""The English words by which numbers, units and names are known; tables only."""

from __future__ import annotations


def _words(listed: str) -> list[str]:
    return listed.split()


def _table(listed: str) -> dict[str, list[str]]:
    """Lines of ``name: word, word``."""
    pairs = (line.partition(":") for line in listed.strip().split("\n"))
    return {name.strip(): [word.strip() for word in words.split(",")] for name, _, words in pairs}


# --- numbers ---

_TO_NINETEEN = _words(
    """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
    nineteen"""
)
SMALL = {word: value for value, word in enumerate(_TO_NINETEEN)}
TENS = dict(zip(_words("twenty thirty forty fifty sixty seventy eighty ninety"), range(20, 100, 10)))
SCALES = {"thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12, "lakh": 1e5, "crore": 1e7}
LETTERS = {"k": 1e3, "m": 1e6, "mn": 1e6, "bn": 1e9, "b": 1e9, "tn": 1e12}
_IRREGULAR = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth"}
ORDINALS = {
    _IRREGULAR.get(word, "twelfth" if word == "twelve" else f"{word}th"): value for word, value in SMALL.items() if value
} | {f"{word[:-1]}ieth": value for word, value in TENS.items()}
PARTS = {"half": 2, "halves": 2, "quarter": 4, "quarters": 4} | {
    f"{word}{plural}": value for word, value in ORDINALS.items() if value > 2 for plural in ("", "s")
}
# What says a number without naming it; it supports one, and is none itself.
HINTS = {
    word: float(value)
    for value, words in _table(
        """
        0.25: quarter
        0.5: half, halved
        1: one, once, single, sole, lone, only, first
        2: second, both, pair, couple, twice, double, doubles, doubled, twin, twins, duo, brace
        3: trio, triple, tripled, thrice, treble, triplets, hat-trick
        4: quartet, quadruple
        5: quintet
        10: decade
        12: dozen, dozens
        14: fortnight
        100: century
        """
    ).items()
    for word in words
}
TIMES = {"noon": 720.0, "midday": 720.0, "midnight": 0.0}
UNITS = {
    spelled: unit
    for unit, names in _table(
        """
        %: %, percent, per cent, pct, percentage point, percentage points
        dollar: $, usd, dollar, dollars, buck, bucks
        euro: €, eur, euro, euros
        pound: £, gbp, pound, pounds, lb, lbs, quid
        yen: ¥, jpy, yen
        yuan: cny, rmb, yuan, renminbi
        rupee: ₹, inr, rupee, rupees
        ruble: ₽, rouble, roubles, ruble, rubles
        franc: chf, franc, francs
        cent: ¢, cent, cents
        penny: p, penny, pence
        second: second, seconds, sec, secs
        minute: minute, minutes, min, mins
        hour: hour, hours, hr, hrs
        day: day, days
        week: week, weeks
        month: month, months
        year: year, years, yr, yrs
        decade: decade, decades
        century: century, centuries
        millimetre: mm, millimetre, millimetres, millimeter, millimeters
        centimetre: cm, centimetre, centimetres, centimeter, centimeters
        metre: m, metre, metres, meter, meters
        kilometre: km, kms, kilometre, kilometres, kilometer, kilometers
        mile: mile, miles, mi
        foot: ft, foot, feet
        inch: inch, inches
        yard: yard, yards, yd, yds
        acre: acre, acres
        hectare: ha, hectare, hectares
        gram: g, gram, grams
        kilogram: kg, kgs, kilo, kilos, kilogram, kilograms
        tonne: tonne, tonnes, ton, tons
        ounce: oz, ounce, ounces
        stone: stone
        litre: litre, litres, liter, liters
        mph: mph
        millisecond: ms, millisecond, milliseconds
        byte: byte, bytes
        kilobyte: kb, kib, kilobyte, kilobytes
        megabyte: mb, mib, megabyte, megabytes
        gigabyte: gb, gib, gigabyte, gigabytes
        terabyte: tb, tib, terabyte, terabytes
        megahertz: mhz
        gigahertz: ghz
        kilowatt: kw
        kilowatt hour: kwh
        megawatt: mw
        degree: °, °c, °f, degree, degrees
        """
    ).items()
    for spelled in names
}

# --- names ---

CONNECTORS = frozenset(_words("of the de la le del der den van von di da du bin ibn al el y e for and upon"))
# Capitalised at the beginning of a sentence and nowhere else: no part of the name behind them.
OPENERS = frozenset(
    _words(
        """a an the this that these those some any each every all both no another other such in on at by for from with without
        of to into over under after before since during until till about around between among against through across near as if
        when while where who whom whose which what why how because although though unless whether and but or nor so yet also
        then thus there here he she it they we you i his her its their our your my is are was were be been has have had do does
        did can could will would shall should may might must not only even just still however meanwhile later earlier today
        yesterday tomorrow now ago once despite according like unlike both former new please thanks thank dear hello hi ask see
        contact visit use try call click open check note read let make take get give go come keep find tell say says said add
        set send ensure remember consider choose follow select enter start begin first second third finally next recently"""
    )
)
TITLES = frozenset(
    _words(
        """mr mrs ms miss dr sir lord lady dame prof professor president vice prime minister chancellor secretary senator
        congressman congresswoman governor mayor king queen prince princess duke duchess pope bishop archbishop reverend rev
        father saint st captain capt general gen colonel col sergeant sgt lieutenant lt major officer detective det inspector
        insp constable pc judge justice chief executive ceo chairman chairwoman director coach manager the inc ltd plc llc corp
        co company group"""
    )
)
# Capitalised, and no names.
NO_NAMES = frozenset(
    _words(
        """i im ill ive id ok oh yes no am pm mr mrs ms dr a an the monday tuesday wednesday thursday friday saturday sunday
        january february march april may june july august september october november december jan feb mar apr jun jul aug sep
        sept oct nov dec mon tue wed thu fri sat sun gmt bst utc est edt pst pdt cet bc ad ce bce"""
    )
)
ABBREVIATIONS = frozenset(_words("mr mrs ms dr st sir prof rev gen col lt sgt capt sen rep gov hon jr sr vs no mt fr"))
DEMONYMS = _table(
    """
    american: america, us, usa, states
    british: britain, uk, kingdom
    briton: britain, uk
    english: england
    scottish: scotland
    scot: scotland
    welsh: wales
    irish: ireland
    french: france
    german: germany
    spanish: spain
    spaniard: spain
    dutch: netherlands, holland
    danish: denmark
    dane: denmark
    swedish: sweden
    swede: sweden
    norwegian: norway
    finnish: finland
    finn: finland
    polish: poland
    pole: poland
    greek: greece
    turkish: turkey
    turk: turkey
    swiss: switzerland
    czech: czechia
    portuguese: portugal
    filipino: philippines
    thai: thailand
    chinese: china
    japanese: japan
    vietnamese: vietnam
    burmese: burma, myanmar
    afghan: afghanistan
    pakistani: pakistan
    iraqi: iraq
    israeli: israel
    saudi: arabia
    emirati: emirates, uae
    argentine: argentina
    argentinian: argentina
    peruvian: peru
    cypriot: cyprus
    ukrainian: ukraine
    hungarian: hungary
    belgian: belgium
    european: europe, eu
    african: africa
    asian: asia
    mexican: mexico
    canadian: canada
    brazilian: brazil
    icelandic: iceland
    slovak: slovakia
    lebanese: lebanon
    maltese: malta
    nepalese: nepal
    taiwanese: taiwan
    """
)
SAME = {"us": "us", "usa": "us", "america": "us", "uk": "uk", "britain": "uk", "st": "saint", "saint": "saint"}
# By which a country becomes its people, the longest first.
ENDINGS = ("ians", "eans", "ian", "ean", "ans", "ese", "ish", "an", "ns", "is", "ic", "es", "ia", "n", "i", "s", "a", "y")
