"""The formats of ``portal.ui.times``, as Django's ``date`` filter spells them."""

DATE_FORMAT = "j M Y"
DATETIME_FORMAT = r"D j M Y, H:i \U\T\C"
MONTH_DAY_FORMAT = "j F"
