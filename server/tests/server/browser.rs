//! The page for people in a browser: what somebody sees and does there. Needs the program
//! `chromium` in the PATH, and is run by hand:
//! `cargo test --release --workspace --test server -- --ignored browser`.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::kit::Sample;
use crate::running::{Running, Worker, settings};
use beaa_protocol::JobState;
use serde_json::{Value, json};

/// A browser without a window, with one page open, spoken to by its debugging protocol.
struct Browser {
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    session: Option<String>,
    calls: u64,
    /// Exceptions of scripts, and what the page's policy did not let through.
    complaints: Vec<Value>,
}

impl Browser {
    fn open(url: &str, profile: &std::path::Path) -> Self {
        // The protocol takes its descriptors 3 and 4. As root, it has no sandbox.
        let line = "exec chromium --headless --no-sandbox --disable-gpu --no-first-run --user-data-dir=\"$0\" \
                    --remote-debugging-pipe 3<&0 4>&1 </dev/null >/dev/null 2>\"$0.log\"";
        let mut command = Command::new("sh");
        command.args(["-c", line]).arg(profile).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let (to, from) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        let mut browser = Self { process, to, from, session: None, calls: 0, complaints: Vec::new() };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }))["targetId"].clone();
        let attached = browser.call("Target.attachToTarget", json!({ "targetId": target, "flatten": true }));
        browser.session = Some(attached["sessionId"].as_str().unwrap().to_owned());
        browser.call("Runtime.enable", json!({}));
        browser.call("Log.enable", json!({}));
        browser.call("Page.navigate", json!({ "url": url }));
        browser
    }

    fn call(&mut self, method: &str, params: Value) -> Value {
        self.calls += 1;
        let mut message = json!({ "id": self.calls, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.to.write_all(format!("{message}\0").as_bytes()).unwrap();
        loop {
            let mut bytes = Vec::new();
            assert!(self.from.read_until(0, &mut bytes).unwrap() > 0, "{method}: the browser ended");
            bytes.pop();
            let said: Value = serde_json::from_slice(&bytes).unwrap();
            let event = said["method"].as_str();
            if event == Some("Runtime.exceptionThrown") || event == Some("Log.entryAdded") {
                self.complaints.push(said["params"].clone());
            }
            if said["id"] == self.calls {
                assert!(said["error"].is_null(), "{method}: {said}");
                return said["result"].clone();
            }
        }
    }

    /// The value of an expression of JavaScript in the page.
    fn value(&mut self, expression: &str) -> Value {
        let result = self.call("Runtime.evaluate", json!({ "expression": expression, "returnByValue": true }));
        assert!(result["exceptionDetails"].is_null(), "{expression}: {result}");
        result["result"]["value"].clone()
    }

    fn text(&mut self, id: &str) -> String {
        let text = self.value(&format!("document.getElementById('{id}')?.innerText ?? ''"));
        text.as_str().unwrap().to_owned()
    }

    /// Waits until an expression is true.
    fn wait(&mut self, expression: &str) {
        let started = Instant::now();
        while self.value(expression) != true {
            if started.elapsed() > Duration::from_secs(60) {
                let page = self.value("document.body.innerText");
                panic!("{expression} is not so: {page}\n{:?}", self.complaints);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Logs in by keyboard alone.
    fn log_in(&mut self, token: &str) {
        self.wait("document.readyState === 'complete'");
        self.value("document.getElementById('token').focus()");
        self.call("Input.insertText", json!({ "text": token }));
        let key =
            json!({ "type": "keyDown", "key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r" });
        self.call("Input.dispatchKeyEvent", key);
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
#[ignore = "needs the program chromium in the PATH"]
fn the_page_shows_jobs_and_cancels_them_and_runs_nothing_foreign() {
    let sample = Sample::new();
    let server = Running::new(&sample, settings());
    let first = sample.job();
    // A name that would be markup if it were not text.
    let database = rusqlite::Connection::open(sample.store.folder().join("beaa.sqlite")).unwrap();
    let rename = "UPDATE programs SET view = replace(view, '\"name\":\"version-2\"', ?)";
    let name = json!("<img src=x id=evil onerror=document.title=1>").to_string();
    assert_eq!(database.execute(rename, [format!("\"name\":{name}")]).unwrap(), 1);

    let mut browser = Browser::open(&server.url("/"), &sample.folder.path().join("profile"));
    browser.log_in("beaa_wrong");
    browser.wait("!document.getElementById('problem').hidden");
    assert!(browser.text("problem").contains("ask for a new one"), "{}", browser.text("problem"));
    // The one complaint is the refusal that was provoked.
    assert!(browser.complaints.iter().all(|c| c["entry"]["text"].as_str().is_some_and(|t| t.contains("401"))));
    browser.complaints.clear();

    browser.log_in(&sample.token);
    browser.wait("document.getElementById('account').innerText.startsWith('clinic: ')");
    browser.wait("document.getElementById('problem').hidden && document.querySelector('h3.queued') !== null");
    assert!(browser.text("jobs").contains(&first.id.to_string()) && browser.text("jobs").contains("Cancel"));
    assert!(browser.text("programs").contains("<img src=x id=evil"), "{}", browser.text("programs"));
    assert_eq!(browser.value("document.getElementById('evil') === null && document.title"), "beaa: jobs");
    assert!(browser.text("keys").contains(&first.key.unwrap().to_string()));
    assert_eq!(browser.value("document.cookie + JSON.stringify(localStorage)"), "{}", "the token stays in its tab");
    assert_eq!(browser.value("document.getElementById('token').value"), "");

    let worker = Worker::new(&sample);
    browser.wait("document.querySelector('h3.answered') !== null");
    drop(worker);
    browser.value("document.querySelector('details').open = true");
    assert!(browser.value("document.querySelectorAll('tbody tr').length").as_u64().unwrap() > 0, "times of layers");
    let second = sample.job();
    let button = format!("document.getElementById('cancel-{}')", second.id);
    browser.wait(&format!("{button} !== null"));
    assert_eq!(browser.value("document.querySelector('details').open"), true, "what was opened stays open");
    browser.value(&format!("window.confirm = () => true; {button}.click()"));
    browser.wait("document.querySelector('h3.cancelled') !== null");
    assert_eq!(sample.store.job(&sample.caller, &second.id).unwrap().state, JobState::Cancelled);

    // On a telephone nothing is wider than the screen.
    let narrow = json!({ "width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": true });
    browser.call("Emulation.setDeviceMetricsOverride", narrow);
    browser.wait("document.documentElement.scrollWidth <= 360");
    browser.value("document.getElementById('logout').click()");
    browser.wait("document.getElementById('account')?.innerText === 'Not logged in.' && sessionStorage.length === 0");
    assert!(browser.complaints.is_empty(), "{:?}", browser.complaints);
}
