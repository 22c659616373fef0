//! Floor 1. The browser: its processes, its WebDriver session, its BiDi socket, and the probe in its pages.
