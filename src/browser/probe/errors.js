// Uncaught exceptions, unhandled rejections and resources that did not load.
(sc) => {
  const { guard, send, listen, now, r1, text } = sc;
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
}
