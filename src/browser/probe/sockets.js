// WebSockets: that they open and close, and of those that the app file declares the text sent and received. What it
// means is found out elsewhere; here nothing is read. Sockets of workers are not seen: no probe runs in them.
(sc) => {
  const { apply, hook, hookClass, guard, send, listen, now, r1, text } = sc;
  if (!window.WebSocket) return;
  const proto = WebSocket.prototype;
  const getter = (of, name) => Object.getOwnPropertyDescriptor(of, name).get;
  const urlOf = getter(proto, "url");
  const stateOf = getter(proto, "readyState");
  const dataOf = getter(MessageEvent.prototype, "data");
  const codeOf = getter(CloseEvent.prototype, "code");
  const cleanOf = getter(CloseEvent.prototype, "wasClean");
  const rawTest = RegExp.prototype.test;
  const wanted = sc.config.sockets.map((source) => new RegExp(source));
  // A frame knows nothing of the page's ids.
  const ids = window === window.top ? sc.config.ids : () => null;
  // Frames count for themselves: with the time they came to be their numbers are the play's.
  const origin = performance.timeOrigin;
  const known = new WeakMap();
  let count = 0;

  // Of a message no more than this, and of all together no more than this in a second; what is left out is said.
  const LONGEST = 128 * 1024;
  const MOST = 200;
  const MOST_TEXT = 1024 * 1024;
  let second = -Infinity;
  let messages = 0;
  let letters = 0;
  let said = false;
  const fits = (size) => {
    const at = now();
    if (at - second >= 1000) {
      second = at;
      messages = letters = 0;
      said = false;
    }
    messages++;
    letters += size;
    return size <= LONGEST && messages <= MOST && letters <= MOST_TEXT;
  };
  const tell = (socket, ev, data) => {
    const own = known.get(socket);
    if (!own || !own.heard || typeof data !== "string") return;
    if (fits(data.length)) {
      send({ k: "socket", ev, id: own.id, t: r1(now()), text: data, ids: guard("socket.ids", ids) });
    } else if (!said) {
      said = true;
      send({ k: "socket", ev: "capped", id: own.id, t: r1(now()), size: data.length });
    }
  };

  hookClass(window, "WebSocket", (socket) => {
    const url = apply(urlOf, socket, []);
    const own = { id: origin + "-" + ++count, heard: wanted.some((w) => apply(rawTest, w, [url])), asked: false };
    known.set(socket, own);
    send({ k: "socket", ev: "new", id: own.id, t: r1(now()), url: text(url, 2000) });
    listen(socket, "open", () =>
      guard("socket.open", () => send({ k: "socket", ev: "open", id: own.id, t: r1(now()), ids: guard("socket.ids", ids) })));
    listen(socket, "message", (event) => guard("socket.message", () => tell(socket, "got", apply(dataOf, event, []))));
    listen(socket, "close", (event) =>
      guard("socket.close", () =>
        send({
          k: "socket", ev: "close", id: own.id, t: r1(now()), code: apply(codeOf, event, []),
          clean: apply(cleanOf, event, []), own: own.asked,
        })));
  });
  hook(proto, "send", (real) => ({
    send(data) {
      const r = apply(real, this, arguments);
      guard("socket.send", () => tell(this, "sent", data));
      return r;
    },
  }).send);
  hook(proto, "close", (real) => ({
    close() {
      const before = guard("socket.state", () => apply(stateOf, this, []));
      const r = apply(real, this, arguments);
      guard("socket.closing", () => {
        const own = known.get(this);
        // Connecting or open: what closes by itself already was not closed by the page.
        if (own && before < 2) own.asked = true;
      });
      return r;
    },
  }).close);
}
