"""English names of units."""

from __future__ import annotations

# Symbol: singular, plural; the plural is left out if it ends in -s.
_TABLE = """
km: kilometer; m: meter; dm: decimeter; cm: centimeter; mm: millimeter; µm: micrometer; μm: micrometer; nm: nanometer
mi: mile; yd: yard; ft: foot, feet; inch: inch, inches; in: inch, inches; ha: hectare; px: pixel; pt: point
kg: kilogram; kgs: kilogram; g: gram; mg: milligram; µg: microgram; μg: microgram; mcg: microgram
lb: pound; lbs: pound; oz: ounce; t: ton
l: liter; L: liter; ml: milliliter; mL: milliliter; cl: centiliter; dl: deciliter; dL: deciliter; gal: gallon
qt: quart
tsp: teaspoon; tbsp: tablespoon; ct: carat; mol: mole; cal: calorie; kcal: kilocalorie
s: second; sec: second; secs: second; ms: millisecond; µs: microsecond; μs: microsecond; ns: nanosecond; min: minute
mins: minute
h: hour; hr: hour; hrs: hour; yr: year; yrs: year; wk: week; wks: week; mo: month; mos: month
Hz: hertz, hertz; kHz: kilohertz, kilohertz; MHz: megahertz, megahertz; GHz: gigahertz, gigahertz
THz: terahertz, terahertz
KB: kilobyte; kB: kilobyte; MB: megabyte; GB: gigabyte; TB: terabyte; PB: petabyte; KiB: kibibyte; MiB: mebibyte
GiB: gibibyte
TiB: tebibyte; kb: kilobit; Kb: kilobit; Mb: megabit; Gb: gigabit
W: watt; kW: kilowatt; MW: megawatt; GW: gigawatt; mW: milliwatt; Wh: watt hour; kWh: kilowatt hour
MWh: megawatt hour
V: volt; mV: millivolt; kV: kilovolt; mA: milliamp; mAh: milliamp hour; Ω: ohm; kΩ: kilohm; MΩ: megohm
kJ: kilojoule; Pa: pascal; hPa: hectopascal; kPa: kilopascal; MPa: megapascal; bar: bar
dB: decibel
lm: lumen; MP: megapixel; hp: horsepower, horsepower; ppm: part per million, parts per million
mph: mile per hour, miles per hour; kmh: kilometer per hour, kilometers per hour
kph: kilometer per hour, kilometers per hour
rpm: revolution per minute, revolutions per minute; bpm: beat per minute, beats per minute
fps: frame per second, frames per second; dpi: dot per inch, dots per inch; mpg: mile per gallon, miles per gallon
bps: basis point; kbps: kilobit per second, kilobits per second
Kbps: kilobit per second, kilobits per second; Mbps: megabit per second, megabits per second
Gbps: gigabit per second, gigabits per second; psi: pound per square inch, pounds per square inch
sqm: square meter; sqft: square foot, square feet; sq ft: square foot, square feet; sq m: square meter
sq mi: square mile
sq. ft.: square foot, square feet; cu ft: cubic foot, cubic feet; fl oz: fluid ounce
"""


def _parse(table: str) -> dict[str, tuple[str, str]]:
    units = {}
    for entry in table.strip().replace("\n", "; ").split("; "):
        symbol, names = entry.split(": ")
        one, _, many = names.partition(", ")
        units[symbol] = (one, many or one + "s")
    return units


UNITS = _parse(_TABLE)
"""Singular and plural of each unit, by symbol."""

PER = {symbol: one for symbol, (one, _) in UNITS.items()} | {
    "d": "day",
    "day": "day",
    "ea": "piece",
    "w": "week",
    "y": "year",
    "req": "request",
}
"""The words after "per", by symbol."""
