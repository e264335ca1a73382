"""What runs beside a tested program in the sandbox: it makes the calls and says what each was seen to break.

The sandbox's zygotes hold these modules, so that a child finds them loaded. They import only what the lean image of the
interpreter holds, and load nothing later. They share a process with hostile code, which can silence them or make them
say anything: their word may refute a property, and nothing is ever proved by it.
"""

MODULES = ("verification.driver.run", "verification.driver.breaks", "verification.driver.cycles")
"""To be imported by a zygote, with what they import."""
