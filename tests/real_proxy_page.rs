//! The control page of `soundcheck proxy` in real browsers: it shows what goes through the proxy while it goes, its
//! switches break and mend it, what a request says stays text, and no other site's page gets at it.

mod common;

use common::SOUNDCHECK;
use common::people::{Running, exchange, origin};
use rustix::process::Signal;
use soundcheck::browser::Kind;
use soundcheck::browser::action::Ready;
use soundcheck::browser::driver::Driver;
use soundcheck::browser::leash::Leash;
use soundcheck::browser::options::Options;
use soundcheck::browser::session::Session;
use std::path::Path;
use std::time::{Duration, Instant};

const PROFILE: &str = r#"
question = "Does the player say that its media are not to be had?"
[[fault]]
do = "status"
id = "down"
match = { path = "/media/*" }
code = 503
[[expect]]
outcome = "either"
"#;

const LIMIT: Duration = Duration::from_secs(20);
const ROWS: &str = "[...document.querySelectorAll('#requests tr')].map((r) => [...r.cells].map((c) => c.innerText.trim()).join('|')).join('\\n')";
const SWITCH: &str = "[role=switch][aria-label='Arm down']";

/// A page in a browser.
struct Page {
    session: Session,
    leash: Leash,
}

impl Page {
    async fn open(kind: Kind, url: &str) -> Self {
        let leash = Leash::start(Path::new(SOUNDCHECK), "test").await.expect("a leash");
        let driver = Driver::start(&leash, kind, None, Default::default()).await.expect("a driver");
        let (session, _notices) =
            Session::open(&driver.url, &Options::new(kind, leash.dir())).await.expect("a session");
        session.navigate(url, Ready::Complete, LIMIT).await.expect("the page");
        Self { session, leash }
    }

    /// What an expression gives, as text.
    async fn text(&self, expression: &str) -> String {
        let value = self
            .session
            .evaluate(&format!("Promise.resolve({expression}).then(String)"), true, LIMIT)
            .await
            .expect("evaluated");
        value.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the text an expression gives is as wanted.
    async fn until(&self, expression: &str, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + LIMIT;
        loop {
            let text = self.text(expression).await;
            if wanted(&text) {
                return text;
            }
            assert!(Instant::now() < deadline, "{expression} stayed: {text}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn click(&self, css: &str) {
        self.session.click(css, LIMIT).await.expect(css);
    }

    /// Waits until the switch shows that the fault is armed, or is not.
    async fn switched(&self, on: bool) {
        let checked = format!("document.querySelector(\"{SWITCH}\")?.getAttribute('aria-checked')");
        self.until(&checked, |text| text == on.to_string()).await;
    }
}

async fn follow_and_switch(kind: Kind) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("down.toml");
    std::fs::write(&path, PROFILE).expect("written");
    let to = format!("http://{}", origin());
    let proxy = Running::start(&[&path.display().to_string(), "--to", &to]);
    let page = Page::open(kind, proxy.text("control")).await;

    page.until("document.getElementById('where').innerText", |t| t.contains(proxy.text("listen")) && t.contains(&to))
        .await;
    page.switched(true).await;
    assert_eq!(page.text("location.hash + document.cookie").await, "", "the token is in no address and no cookie");

    // Off: the request passes, and the page shows it with all that is known.
    page.click(SWITCH).await;
    page.switched(false).await;
    let ranged = format!("GET /media/a.mp4?x=1 HTTP/1.1\r\nHost: {}\r\nRange: bytes=4-", proxy.address());
    assert_eq!(exchange(proxy.address(), &ranged, "").0, 206);
    let row = page.until(ROWS, |t| t.contains("206") && !t.contains("under way")).await;
    let server = to.trim_start_matches("http://");
    for part in ["GET /media/a.mp4?x=1", "|206||6 of 6 B|", "|bytes=4-|bytes 4-9/10|6", "video/mp4", " ms|", server] {
        assert!(row.contains(part), "{kind}: no {part} in {row}");
    }

    // On: the next one fails, and the page says which fault did it.
    page.click(SWITCH).await;
    page.switched(true).await;
    assert_eq!(proxy.get("/media/b.mp4"), 503);
    let rows = page.until(ROWS, |t| t.contains("/media/b.mp4") && !t.contains("under way")).await;
    let (newest, _) = rows.split_once("/media/a.mp4").expect("the one before is below");
    assert!(newest.contains("/media/b.mp4") && newest.contains("|503|down|"), "{kind}: {rows}");
    page.until("document.querySelector('#requests tr').className", |t| t == "hit").await;
    page.until("[...document.querySelector('#faults tr').cells].map((c) => c.innerText).join('|')", |t| {
        t.contains("|1|1|1|")
    })
    .await;

    // Once by hand, while it is off.
    page.click(SWITCH).await;
    page.switched(false).await;
    page.click("[aria-label='Fire down once']").await;
    page.until("document.getElementById('faults').innerText", |t| t.contains("1 waiting")).await;
    assert_eq!((proxy.get("/media/c"), proxy.get("/media/c")), (503, 200));

    // Whatever a request says is text. Its octets would break out of a page that took them for markup.
    let evil = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>";
    let hostile = format!("GET /evil HTTP/1.1\r\nHost: {}\r\nRange: {evil}", proxy.address());
    assert_eq!(exchange(proxy.address(), &hostile, "").0, 200);
    page.until(ROWS, |t| t.contains(evil)).await;
    let made = page.text("document.querySelectorAll('#requests img, #requests script').length + document.title").await;
    assert_eq!(made, "0Soundcheck proxy");

    // Another profile: what is wrong with it is shown as on the command line, then it is armed.
    let write = |text: &str| format!("document.getElementById('toml').value = {}", serde_json::json!(text));
    page.text(&write(&PROFILE.replace("status", "stauts"))).await;
    page.click("#arm").await;
    page.until("document.getElementById('problem').innerText", |t| t.contains("stauts") && t.contains("^^^")).await;
    page.text(&write(&PROFILE.replace("\"down\"", "\"gone\"").replace("503", "410"))).await;
    page.click("#arm").await;
    page.until("document.getElementById('faults').innerText", |t| t.contains("gone")).await;
    assert_eq!(proxy.get("/media/d"), 410);

    // The tab keeps the token over a reload.
    page.session.navigate(&format!("http://{}/", proxy.control()), Ready::Complete, LIMIT).await.expect("the page");
    page.until(ROWS, |t| t.contains("410")).await;

    assert_eq!(proxy.end(Signal::TERM).0, Some(143));
    page.until("document.getElementById('state').innerText", |t| t.contains("does not answer")).await;
    page.leash.end().await.expect("ended");
}

/// The app's own page, on another port of the same machine, tries with everything, the token included.
async fn get_at_it_from_elsewhere(kind: Kind) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("down.toml");
    std::fs::write(&path, PROFILE).expect("written");
    let app = format!("http://{}", origin());
    let proxy = Running::start(&[&path.display().to_string(), "--to", &app]);
    let page = Page::open(kind, &format!("{app}/")).await;
    let (control, token) = (proxy.control(), proxy.text("token").to_owned());
    let attempt = |address: &str, path: &str, options: &str| {
        format!(
            "fetch('http://{address}{path}', {options}).then((a) => a.type === 'opaque' ? 'sent' : 'answered ' + a.status, () => 'refused')"
        )
    };
    let bearer = format!("{{ method: 'POST', headers: {{ authorization: 'Bearer {token}' }} }}");
    let here = control.to_string();
    for (path, options) in [
        ("/api/faults", format!("{{ headers: {{ authorization: 'Bearer {token}' }} }}")),
        ("/api/faults/down/disarm", bearer.clone()),
        ("/api/faults", "{}".to_owned()),
        ("/", "{ credentials: 'include' }".to_owned()),
    ] {
        assert_eq!(page.text(&attempt(&here, path, &options)).await, "refused", "{kind}: {path} {options}");
    }
    // A simple request is sent without asking first; it changes nothing.
    let blind = "{ method: 'POST', mode: 'no-cors', credentials: 'include' }";
    page.text(&attempt(&here, "/api/faults/down/disarm", blind)).await;
    // A name that points here is another site to the browser, and another host to us.
    let rebound = format!("localhost:{}", control.port());
    page.session.navigate(&format!("http://{rebound}/"), Ready::Complete, LIMIT).await.expect("an answer");
    assert!(page.text("document.body.innerText").await.contains("ask for it by that name"));
    let answer = page.text(&attempt(&rebound, "/api/faults/down/disarm", &bearer)).await;
    assert_eq!(answer, "answered 403", "{kind}");
    let (_, told) = proxy.ask("GET /api/faults", "");
    assert_eq!(told["faults"][0]["armed"], true, "{kind}: nothing was changed");
    page.leash.end().await.expect("ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_shows_requests_and_its_switches_break_and_mend() {
    for kind in [Kind::Chromium, Kind::Firefox] {
        follow_and_switch(kind).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_sites_pages_do_not_get_at_it() {
    for kind in [Kind::Chromium, Kind::Firefox] {
        get_at_it_from_elsewhere(kind).await;
    }
}
