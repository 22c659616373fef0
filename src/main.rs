//! Scratch driver of the browser layer; thrown away when the command line arrives.
use soundcheck::browser::options::{BasicAuth, Options};
use soundcheck::browser::{Kind, action::Ready, display::Display, driver::Driver, leash, session::Session, sound};
use std::{
    collections::BTreeMap,
    process::ExitCode,
    time::{Duration, Instant},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("leash") => return leash::leash_main(&args[1..]),
        Some("leash-exec") => return leash::leash_exec_main(&args[1..]),
        _ => {}
    }
    let rt = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("rt");
    match rt.block_on(scratch(args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("ERROR {e}");
            ExitCode::from(e.whose().exit_code())
        }
    }
}

const PAGE: &str = r#"<!doctype html><title>t</title><body><button id=go style="width:200px;height:60px">go</button>
<button id=al onclick="window.answer=confirm('sure?')">c</button><button id=hid style="display:none">h</button>
<div style="position:relative"><button id=cov>cov</button><div id=lid style="position:absolute;inset:0;background:red;width:300px"></div></div><input id=inp>
<script>
window.levels=[]; window.err=null;
document.getElementById('go').onclick = async () => { try {
 const ac = new AudioContext(); await ac.resume();
 const s = await navigator.mediaDevices.getUserMedia({audio:{echoCancellation:false,noiseSuppression:false,autoGainControl:false}});
 const an = ac.createAnalyser(); an.fftSize=1024; ac.createMediaStreamSource(s).connect(an);
 const b = new Float32Array(1024); const t0=performance.now();
 setInterval(()=>{ an.getFloatTimeDomainData(b); let m=0; for (const x of b) m=Math.max(m,Math.abs(x)); levels.push([Math.round(performance.now()-t0), +m.toFixed(2)]); }, 25);
 } catch(e) { window.err = String(e); } };
console.error('bad thing', 42); setTimeout(()=>{throw new Error('boom')},50); setTimeout(()=>alert('hello alert'),100);
fetch('/secret').then(r=>r.status).then(s=>window.secret=s,e=>window.secret=String(e));
fetch('/secret2').then(r=>r.status).then(s=>window.secret2=s,e=>window.secret2=String(e));
</script>"#;

async fn serve() -> u16 {
    let l = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let port = l.local_addr().expect("addr").port();
    tokio::spawn(async move {
        loop {
            let Ok((mut c, _)) = l.accept().await else { break };
            tokio::spawn(async move {
                let mut b = vec![0; 8192];
                let n = c.read(&mut b).await.unwrap_or(0);
                let req = String::from_utf8_lossy(&b[..n]).to_string();
                let (st, ex, body) = if req.starts_with("GET /secret") {
                    if req.to_lowercase().contains("authorization: basic dtpw") && !req.starts_with("GET /secret2") {
                        ("200 OK", "", "in".to_string())
                    } else {
                        ("401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n", "no".into())
                    }
                } else if req.starts_with("GET /hdr") {
                    ("200 OK", "", req.clone())
                } else if req.starts_with("GET /tiny") {
                    ("200 OK", "", "x".into())
                } else {
                    ("200 OK", "", PAGE.into())
                };
                let _ = c.write_all(format!("HTTP/1.1 {st}\r\nContent-Type: text/html\r\nContent-Length: {}\r\n{ex}Connection: close\r\n\r\n{body}", body.len()).as_bytes()).await;
            });
        }
    });
    port
}

async fn scratch(args: Vec<String>) -> soundcheck::error::Result<()> {
    tracing_subscriber::fmt().with_env_filter("soundcheck=debug").with_writer(std::io::stderr).init();
    let kind: Kind = args[0].parse()?;
    let mode = args.get(1).map_or("", String::as_str);
    let swept = leash::sweep();
    let t = Instant::now();
    let ms = |w: &str| eprintln!("{:>6} ms {w}", t.elapsed().as_millis());
    if swept > 0 {
        ms(&format!("swept {swept}"));
    }
    if mode == "grid" {
        return grid(kind, &args[2]).await;
    }
    let leash = leash::Leash::start(&std::env::current_exe().expect("exe"), "try").await?;
    ms("leash");
    println!("DIR {}", leash.dir().display());
    let headless = mode == "headless";
    let (display, pulse) =
        tokio::join!(async { if headless { Ok(None) } else { Display::start(&leash).await.map(Some) } }, async {
            if kind == Kind::Firefox {
                sound::PulseAudio::start(&leash, sound::Sound::Tone).await.map(Some)
            } else {
                Ok(None)
            }
        });
    let (display, pulse) = (display?, pulse?);
    ms("display+pulse");
    let mut o = Options::new(kind, leash.dir());
    let mut env = BTreeMap::new();
    if let Some(d) = &display {
        env.insert("DISPLAY".to_string(), d.name().to_string());
        o.display = Some(d.name().into());
    }
    if let Some(p) = &pulse {
        env.insert("PULSE_SERVER".into(), p.server().into());
        o.pulse = Some(p.server().into());
    }
    if kind == Kind::Chromium {
        o.wav = Some(sound::Sound::Tone.write_wav(leash.dir())?);
    }
    let port = serve().await;
    let base = format!("http://127.0.0.1:{port}");
    o.basic_auth = Some(BasicAuth { origin: base.clone(), user: "u".into(), password: "p".into() });
    ms("wav");
    let d = Driver::start(&leash, kind, None, env).await?;
    ms(&format!("driver {} {}", d.url, d.version));
    let (s, mut notices) = Session::open(&d.url, &o).await?;
    ms(&format!("session {:?} ctx {}", s.facts(), s.context()));
    s.install_probe("(channel) => { channel('hello'); }").await?;
    ms("probe");
    let five = Duration::from_secs(5);
    eprintln!("navigate {:?}", s.navigate(&base, Ready::Complete, five).await);
    ms("navigated");
    println!("READY");
    if mode == "hang" || args.get(2).is_some_and(|a| a == "hang") {
        tokio::time::sleep(Duration::from_secs(600)).await;
    }
    if mode == "crash" {
        let r = s
            .navigate(
                if kind == Kind::Chromium { "chrome://crash" } else { "about:crashcontent" },
                Ready::Complete,
                five,
            )
            .await;
        ms(&format!("crash nav: {r:?}"));
        let r = s.evaluate("1+1", false, five).await;
        ms(&format!("evaluate after: {r:?}"));
        let r = s.click("#go", five).await;
        ms(&format!("click after: {r:?} gone {:?}", s.gone()));
        while let Ok(n) = notices.try_recv() {
            eprintln!("  {n:?}");
        }
        leash.end().await?;
        ms("end");
        return Ok(());
    }
    if mode == "killbrowser" {
        let pid = s.facts().browser_pid.expect("pid");
        let p = s.evaluate("new Promise(()=>{})", true, Duration::from_secs(20));
        let k = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            std::process::Command::new("kill").arg("-9").arg(pid.to_string()).status().ok();
            Instant::now()
        };
        let (r, k) = tokio::join!(p, k);
        eprintln!("killed main {pid}: evaluate {r:?} after {:?}; gone {:?}", k.elapsed(), s.gone());
        let r = s.click("#go", five).await;
        ms(&format!("click after: {r:?} gone {:?}", s.gone()));
        leash.end().await?;
        return Ok(());
    }
    tokio::time::sleep(Duration::from_millis(600)).await;
    eprintln!(
        "secret (creds) {:?} secret2 (wrong) {:?}",
        s.evaluate("secret", false, five).await,
        s.evaluate("secret2", false, five).await
    );
    if s.evaluate("1", false, Duration::from_millis(500)).await.is_err() {
        while let Ok(n) = notices.try_recv() {
            eprintln!("  {n:?}");
        }
        let b = s.bidi();
        eprintln!("tree {:?}", b.command("browsingContext.getTree", serde_json::json!({}), five).await);
        eprintln!(
            "handle {:?}",
            b.command(
                "browsingContext.handleUserPrompt",
                serde_json::json!({"context": s.context(), "accept": true}),
                five
            )
            .await
        );
        eprintln!("alert text {:?}", tokio::time::timeout(five, s.client().get_alert_text()).await);
        eprintln!("accept {:?}", tokio::time::timeout(five, s.client().accept_alert()).await);
        eprintln!("eval {:?}", s.evaluate("1", false, five).await);
        eprintln!("{}", std::fs::read_to_string(&d.log).unwrap_or_default());
        leash.end().await?;
        return Ok(());
    }
    eprintln!(
        "thrown {:?} | {:?}",
        s.evaluate("nope.x", false, five).await,
        s.evaluate("Promise.reject(new TypeError('rej'))", true, five).await
    );
    eprintln!("limit {:?}", s.evaluate("new Promise(()=>{})", true, Duration::from_millis(300)).await);
    eprintln!("webgl {:?}", s.evaluate("(()=>{const g=document.createElement('canvas').getContext('webgl'); if(!g) return null; const e=g.getExtension('WEBGL_debug_renderer_info'); return g.getParameter(e.UNMASKED_RENDERER_WEBGL)})()", false, five).await);
    let c = Instant::now();
    eprintln!("click {:?} {:?}", s.click("#go", five).await, c.elapsed());
    let c = Instant::now();
    eprintln!(
        "click confirm {:?} {:?} answer {:?}",
        s.click("#al", five).await,
        c.elapsed(),
        s.evaluate("window.answer", false, five).await
    );
    for css in ["#none", "#hid", "#cov", "##"] {
        eprintln!("click {css} {:?}", s.click(css, five).await.map_err(|e| e.to_string()));
    }
    eprintln!("type {:?} {:?}", s.type_text("#inp", "héllo", five).await, s.evaluate("inp.value", false, five).await);
    for i in 0..2 {
        let c = Instant::now();
        let p = s.screenshot(five).await;
        eprintln!("bidi shot {i} {:?} {:?}", p.map(|p| p.len()), c.elapsed());
        let c = Instant::now();
        let p = s.client().screenshot().await;
        eprintln!("classic shot {:?} {:?}", p.map(|p| p.len()).map_err(|e| e.to_string()), c.elapsed());
    }
    eprintln!(
        "cookie {:?} {:?}",
        s.set_cookie("a", "b c", "127.0.0.1", "/", five).await,
        s.evaluate("document.cookie", false, five).await
    );
    eprintln!("headers {:?}", s.set_extra_headers(&[("x-sound".into(), "yes".into())], five).await);
    eprintln!(
        "hdr seen {:?}",
        s.evaluate("fetch('/hdr').then(r=>r.text()).then(t=>/x-sound: yes/i.test(t))", true, five).await
    );
    eprintln!("100 fetches {:?}", s.evaluate("(async()=>{const t=performance.now(); for(let i=0;i<100;i++) await (await fetch('/tiny?'+i)).text(); return performance.now()-t})()", true, Duration::from_secs(20)).await);
    tokio::time::sleep(Duration::from_millis(if kind == Kind::Firefox { 6000 } else { 2200 })).await;
    let levels = s.evaluate("levels", false, five).await.unwrap_or_default();
    let mut last = None;
    let mut out = vec![];
    for l in levels.as_array().into_iter().flatten() {
        let on = l[1].as_f64().unwrap_or(0.0) > 0.1;
        if last != Some(on) {
            out.push(format!("{}:{}({})", l[0], if on { "on" } else { "off" }, l[1]));
            last = Some(on);
        }
    }
    eprintln!(
        "levels {} flips {}; err {:?}",
        levels.as_array().map_or(0, Vec::len),
        out.join(" "),
        s.evaluate("err", false, five).await
    );
    let c = Instant::now();
    let pids = leash.pids();
    eprintln!("pss {:?} MB of {} in {:?}", leash::memory_pss(&pids).map(|b| b >> 20), pids.len(), c.elapsed());
    eprintln!("conn refused {:?}", s.navigate("http://127.0.0.1:1/", Ready::Complete, five).await);
    let mut shown = std::collections::BTreeMap::new();
    while let Ok(n) = notices.try_recv() {
        let d = format!("{n:?}");
        let k = d.split([' ', '{']).next().unwrap_or("").to_string();
        let c: &mut u32 = shown.entry(k).or_default();
        *c += 1;
        if *c <= 3 {
            eprintln!("  {:.260}", d);
        }
    }
    eprintln!("counts {shown:?}");
    s.close();
    let c = Instant::now();
    leash.end().await?;
    eprintln!("end {:?}", c.elapsed());
    Ok(())
}

async fn grid(kind: Kind, url: &str) -> soundcheck::error::Result<()> {
    let t = Instant::now();
    let mut o = Options::new(kind, std::path::Path::new("/none"));
    o.remote = true;
    let (s, mut n) = Session::open(url, &o).await?;
    eprintln!("grid session {:?} {:?}", t.elapsed(), s.facts());
    s.install_probe("(channel) => { channel('hello'); }").await?;
    let base = format!("http://127.0.0.1:{}", serve().await);
    eprintln!("nav {:?}", s.navigate(&base, Ready::Complete, Duration::from_secs(5)).await);
    eprintln!("click {:?}", s.click("#go", Duration::from_secs(5)).await);
    tokio::time::sleep(Duration::from_millis(500)).await;
    while let Ok(n) = n.try_recv() {
        eprintln!("  {:.120}", format!("{n:?}"));
    }
    eprintln!("close {:?}", s.close_remote(Duration::from_secs(3)).await);
    Ok(())
}
