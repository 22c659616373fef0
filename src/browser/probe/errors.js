// Uncaught exceptions, unhandled rejections, resources that did not load, and what an Error in a console line says:
// Chromium's BiDi log writes "error" in its place, without the message.
(sc) => {
  const { apply, guard, hook, send, listen, now, r1, text } = sc;
  const TAGS = ["video", "audio", "source", "img", "script", "link"];
  const stackOf = (e) => (e !== null && typeof e === "object" && typeof e.stack === "string" ? text(e.stack, 500) : "");

  listen(window, "error", (event) =>
    guard("errors.error", () => {
      const el = event.target;
      if (el === window) {
        send({
          k: "error", ev: "exception", t: r1(now()), message: text(event.message || "", 500), url: text(event.filename || "", 2000),
          line: event.lineno || 0, col: event.colno || 0, stack: stackOf(event.error),
        });
        return;
      }
      const tag = el && el.localName;
      if (!TAGS.includes(tag)) return;
      const why = el.error ? " (" + el.error.code + " " + text(el.error.message || "", 200) + ")" : "";
      send({
        k: "error", ev: "resource", t: r1(now()), message: "<" + tag + "> did not load" + why,
        url: text(el.currentSrc || el.src || el.href || "", 2000), line: 0, col: 0, stack: "",
      });
    }), true);

  listen(window, "unhandledrejection", (event) =>
    guard("errors.rejection", () => {
      const e = event.reason;
      const named = e !== null && typeof e === "object" && typeof e.message === "string";
      send({
        k: "error", ev: "rejection", t: r1(now()), message: named ? text(e.name, 60) + ": " + text(e.message, 440) : text(e, 500),
        url: "", line: 0, col: 0, stack: stackOf(e),
      });
    }), true);

  const RawError = Error;
  const tell = (level, args) => {
    let named = false;
    let line = "";
    for (let i = 0; i < args.length && i < 20; i++) {
      const is = args[i] instanceof RawError;
      named = named || is;
      line += (i ? " " : "") + (is ? text(args[i].name, 60) + ": " + text(args[i].message, 440) : text(args[i], 500));
    }
    if (named) send({ k: "console", t: r1(now()), level, text: text(line, 2000) });
  };
  // Two methods by name, not a loop: the frame they add is known by it (see notice.rs).
  hook(console, "error", (real) => ({
    error() {
      guard("console.error", () => tell("error", arguments));
      return apply(real, this, arguments);
    },
  }).error);
  hook(console, "warn", (real) => ({
    warn() {
      guard("console.warn", () => tell("warn", arguments));
      return apply(real, this, arguments);
    },
  }).warn);
}
