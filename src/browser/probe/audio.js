// Audio contexts and their states, the microphone's answer, and the level of what comes in.
(sc) => {
  const { apply, hook, hookClass, guard, send, listen, now, r1, text } = sc;
  const Base = window.BaseAudioContext;
  const Node = window.AudioNode;
  if (Base && Node) {
    const rawAnalyser = Base.prototype.createAnalyser;
    const rawConnect = Node.prototype.connect;
    const rawRead = AnalyserNode.prototype.getFloatTimeDomainData;
    const known = new WeakSet();
    let count = 0;

    const context = (ac) => {
      if (known.has(ac)) return;
      known.add(ac);
      const id = ++count;
      send({ k: "audio", ev: "context", t: r1(now()), id, state: ac.state });
      listen(ac, "statechange", () => guard("audio.state", () => send({ k: "audio", ev: "state", t: r1(now()), id, state: ac.state })));
    };
    hookClass(window, "AudioContext", context);
    hookClass(window, "webkitAudioContext", context);

    // An analyser that leads nowhere: it hears, and nothing is heard from it. `taps` keeps it from being collected
    // for as long as its source lives.
    const taps = new WeakMap();
    let refs = [];
    const data = new Float32Array(1024);
    const tap = (node) => {
      if (taps.has(node)) return;
      const analyser = apply(rawAnalyser, node.context, []);
      analyser.fftSize = 1024;
      apply(rawConnect, node, [analyser]);
      taps.set(node, analyser);
      refs[refs.length] = new WeakRef(node);
    };
    for (const [make, type] of [
      ["createMediaStreamSource", "MediaStreamAudioSourceNode"],
      ["createMediaElementSource", "MediaElementAudioSourceNode"],
    ]) {
      hook(window.AudioContext && AudioContext.prototype, make, (real) => ({
        make() {
          const node = apply(real, this, arguments);
          guard("audio.tap", () => tap(node));
          return node;
        },
      }).make);
      hookClass(window, type, tap);
    }
    // disconnect() without arguments takes our tap away with the page's own connections.
    hook(Node.prototype, "disconnect", (real) => ({
      disconnect() {
        const r = apply(real, this, arguments);
        const analyser = arguments.length === 0 || typeof arguments[0] === "number" ? taps.get(this) : null;
        if (analyser) guard("audio.disconnect", () => apply(rawConnect, this, [analyser]));
        return r;
      },
    }).disconnect);

    // The loudest source; null when there is none, or none whose context runs.
    sc.level = () => {
      let best = null;
      let gone = false;
      for (const ref of refs) {
        const node = ref.deref();
        if (!node) {
          gone = true;
          continue;
        }
        if (node.context.state !== "running") continue;
        apply(rawRead, taps.get(node), [data]);
        let sum = 0;
        for (let i = 0; i < 1024; i++) sum += data[i] * data[i];
        const rms = Math.round(Math.sqrt(sum / 1024) * 1e4) / 1e4;
        if (best === null || rms > best) best = rms;
      }
      if (gone) refs = refs.filter((r) => r.deref());
      return best;
    };
  }

  hook(window.MediaDevices && MediaDevices.prototype, "getUserMedia", (real) => ({
    getUserMedia(wish) {
      const audio = guard("audio.gum", () => !!(wish && wish.audio)) || false;
      const p = apply(real, this, arguments);
      const tell = (ok, error) => guard("audio.gum", () => send({ k: "audio", ev: "gum", t: r1(now()), ok, error, audio }));
      // As with play(): the page gets the follow-up, so that an unhandled rejection stays one.
      return apply(sc.rawThen, p, [
        (stream) => {
          tell(true);
          return stream;
        },
        (e) => {
          tell(false, text(e && e.name, 60) + ": " + text(e && e.message, 300));
          throw e;
        },
      ]);
    },
  }).getUserMedia);
}
