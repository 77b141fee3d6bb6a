//! A headless Chromium, driven over its DevTools protocol.

use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Message, WebSocket};

use crate::house::LIMIT;

const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// A browser with one page. Dropping it ends the browser.
pub(crate) struct Chromium {
    child: Child,
    socket: WebSocket<MaybeTlsStream<TcpStream>>,
    session: String,
    next: u64,
    events: Vec<Value>,
    _profile: TempDir,
}

impl Chromium {
    /// Starts a browser. Returns `None`, with a clear message, if there is no Chromium.
    pub(crate) fn start() -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut folders = std::env::split_paths(&path);
        let found = folders.find_map(|folder| {
            let mut programs = NAMES.iter().map(|name| folder.join(name));
            programs.find(|program| program.is_file())
        });
        let Some(program) = found else {
            eprintln!("SKIPPED  the page in a browser: there is no chromium");
            return None;
        };
        Some(Self::run(&program))
    }

    fn run(program: &Path) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut child = Command::new(program)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
            ])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
            ])
            .args(["--disable-dev-shm-usage", "--window-size=1200,900"])
            .arg("--remote-debugging-port=0")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let url = lines
            .find_map(|line| {
                Some(
                    line.ok()?
                        .split_once("DevTools listening on ")?
                        .1
                        .to_owned(),
                )
            })
            .expect("chromium says where it listens");
        // Without this, the browser would wait for a reader.
        thread::spawn(move || lines.for_each(drop));
        let (socket, _) = tungstenite::connect(url.trim()).unwrap();
        let mut browser = Self {
            child,
            socket,
            session: String::new(),
            next: 0,
            events: Vec::new(),
            _profile: profile,
        };
        let made = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let target = &made["targetId"];
        let attached = browser.call(
            "Target.attachToTarget",
            json!({"targetId": target, "flatten": true}),
        );
        attached["sessionId"]
            .as_str()
            .unwrap()
            .clone_into(&mut browser.session);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Calls a method of the protocol and returns its result.
    pub(crate) fn call(&mut self, method: &str, parameters: Value) -> Value {
        let result = self.try_call(method, parameters);
        result.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Calls a method of the protocol and returns its result, or the error message.
    fn try_call(&mut self, method: &str, parameters: Value) -> Result<Value, Value> {
        self.next += 1;
        let id = self.next;
        let mut call = json!({"id": id, "method": method, "params": parameters});
        if !self.session.is_empty() {
            call["sessionId"] = Value::from(self.session.as_str());
        }
        self.socket.send(Message::text(call.to_string())).unwrap();
        loop {
            let Message::Text(text) = self.socket.read().unwrap() else {
                continue;
            };
            let message: Value = serde_json::from_str(&text).unwrap();
            if message["id"] == id {
                return match message.get("error") {
                    Some(error) => Err(error.clone()),
                    None => Ok(message["result"].clone()),
                };
            }
            self.events.push(message);
        }
    }

    pub(crate) fn open(&mut self, url: &str) {
        self.call("Page.navigate", json!({"url": url}));
    }

    /// Evaluates a JavaScript expression, which may be a promise.
    pub(crate) fn value_of(&mut self, expression: &str) -> Value {
        let value = self.try_value_of(expression);
        value.unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    fn try_value_of(&mut self, expression: &str) -> Result<Value, Value> {
        let parameters =
            json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let result = self.try_call("Runtime.evaluate", parameters)?;
        assert!(
            result.get("exceptionDetails").is_none(),
            "{expression}: {result}"
        );
        Ok(result["result"]["value"].clone())
    }

    /// Waits until an expression is true. An expression that fails counts as not true, and so does
    /// one that a navigation interrupts.
    pub(crate) fn wait_for(&mut self, expression: &str) {
        let began = Instant::now();
        let tried =
            format!("(() => {{ try {{ return {expression}; }} catch {{ return false; }} }})()");
        while self.try_value_of(&tried) != Ok(Value::Bool(true)) {
            if began.elapsed() > LIMIT {
                let shown = self.value_of("document.body.innerText.slice(0, 1000)");
                panic!("timed out waiting for {expression}; shown:\n{shown}");
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn resize(&mut self, width: u32, height: u32) {
        let size =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", size);
    }

    /// Takes a screenshot as a PNG.
    pub(crate) fn screenshot(&mut self) -> Vec<u8> {
        let taken = self.call("Page.captureScreenshot", json!({"format": "png"}));
        let data = taken["data"].as_str().unwrap();
        base64::engine::general_purpose::STANDARD
            .decode(data)
            .unwrap()
    }

    /// Presses and releases a key.
    pub(crate) fn press(&mut self, key: &str) {
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            _ => 0,
        };
        let text = if key == "Enter" { "\r" } else { "" };
        for kind in ["keyDown", "keyUp"] {
            let event = json!({"type": kind, "key": key, "code": key, "text": text, "windowsVirtualKeyCode": code});
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// Returns the problems on the page: console errors and warnings, exceptions, refusals.
    pub(crate) fn problems(&mut self) -> Vec<String> {
        // The answer to this call arrives after all earlier events.
        self.value_of("1");
        let is_problem = |event: &&Value| match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => true,
            Some("Runtime.consoleAPICalled") => ["error", "warning", "assert"]
                .contains(&event["params"]["type"].as_str().unwrap_or("")),
            Some("Log.entryAdded") => event["params"]["entry"]["level"] == "error",
            _ => false,
        };
        let problems = self.events.iter().filter(is_problem);
        problems.map(ToString::to_string).collect()
    }

    /// Returns the URLs of all requests so far.
    pub(crate) fn requests(&mut self) -> Vec<String> {
        self.value_of("1");
        let requests = self
            .events
            .iter()
            .filter(|event| event["method"] == "Network.requestWillBeSent");
        let urls = requests.map(|event| event["params"]["request"]["url"].as_str());
        urls.map(|url| url.unwrap_or_default().to_owned()).collect()
    }

    /// Forgets the events so far.
    pub(crate) fn forget(&mut self) {
        self.value_of("1");
        self.events.clear();
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
