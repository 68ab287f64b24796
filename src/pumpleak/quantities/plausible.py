"""Which values a quantity can have."""


def plausible(name, value, number, unit, lines, path) -> None:
    if name == "T" and not 230 < value < 340:
        mend = "Check it"
        if 0 <= number < 60:
            mend = f"{number:g} looks like degrees Celsius: write T_degC: {number:g}"
        elif 230 < number < 340:
            mend = f"{number:g} looks like kelvin: write T_K: {number:g}"
        raise lines.error(f"a temperature of {number:g} {unit} is not one of a living cell", path, mend)
    if name.endswith(("_o", "_i")) and value < 0:
        raise lines.error(
            f"{name} = {number:g} {unit} is negative", path, "Give a concentration of at least 0"
        )
    if name in ("V_offset", "LJP") and abs(value) > 200:
        raise lines.error(f"{name} = {number:g} {unit} is too large", path, "Check its unit: mV or V")
