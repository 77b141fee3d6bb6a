//! Tests of the page in a headless Chromium. Skipped with a clear message if there is none.

use std::time::Instant;

use ioxbridge::{Allowance, Options, PageOptions};
use ioxsim::Event;
use tokio::task::block_in_place;

use crate::chromium::Chromium;
use crate::house::{House, quiet};

/// A JavaScript expression for the text of a node's row, by the node's displayed name.
fn row(name: &str) -> String {
    let name = serde_json::Value::from(name);
    format!(
        "([...document.querySelectorAll('.row')].find((row) => row.querySelector('.name').textContent === {name})?.textContent ?? '')"
    )
}

const ROWS: &str = "document.querySelectorAll('.row').length";

#[tokio::test(flavor = "multi_thread")]
async fn the_house_is_shown_and_follows_each_change() {
    let house = House::start(PageOptions::new()).await;
    block_in_place(|| {
        let Some(mut browser) = Chromium::start() else {
            return;
        };
        browser.open(&house.url());
        browser.wait_for(&format!("{ROWS} >= 12"));
        browser.wait_for("document.querySelector('.controller')?.innerText.includes('connected')");
        house.control().emit(&Event::new("ST", "42").node("n1"));
        browser.wait_for(&format!("{}.includes('42')", row("n1")));
        browser.wait_for("document.querySelector('#events').innerText.includes('42')");
        house.control().emit(&Event::new("ST", "43").node("n1"));
        browser.wait_for(&format!("{}.includes('43')", row("n1")));
        assert_eq!(browser.problems(), Vec::<String>::new());
        let url = house.url();
        for request in browser.requests() {
            assert!(
                request.starts_with(&url) || request.starts_with("data:"),
                "{request}"
            );
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_sent_by_keyboard_confirmed_and_shown() {
    let house = House::start(PageOptions::new()).await;
    block_in_place(|| {
        let Some(mut browser) = Chromium::start() else {
            return;
        };
        browser.open(&house.url());
        let on = "[...document.querySelectorAll('.row:not(.on) button')].find((button) => button.textContent === 'On')";
        browser.wait_for(&format!("{on} !== undefined"));
        browser.value_of(&format!("window.switched = {on}.closest('.row'); 0"));
        // Move the focus from the link to the button after it.
        browser.value_of("window.switched.querySelector('.name').focus(); 0");
        browser.press("Tab");
        assert_eq!(browser.value_of("document.activeElement.textContent"), "On");
        let label = browser.value_of("document.activeElement.getAttribute('aria-label')");
        assert!(label.as_str().unwrap().starts_with("On: "), "{label}");
        browser.press("Enter");
        browser.wait_for("document.querySelector('#outcome').textContent.endsWith(': confirmed')");
        browser.wait_for("window.switched.classList.contains('on')");
        assert_eq!(browser.problems(), Vec::<String>::new());
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_has_a_page_with_its_properties_and_history() {
    let house = House::start(PageOptions::new()).await;
    house.control().emit(&Event::new("ST", "42").node("n1"));
    block_in_place(|| {
        let Some(mut browser) = Chromium::start() else {
            return;
        };
        browser.open(&house.url());
        browser.wait_for(&format!("{} !== ''", row("n1")));
        browser.value_of("[...document.querySelectorAll('.name')].find((name) => name.textContent === 'n1').click(); 0");
        browser.wait_for("document.querySelector('#details table')?.innerText.includes('42')");
        house.control().emit(&Event::new("OL", "17").node("n1"));
        browser.wait_for("document.querySelector('#details table').innerText.includes('17')");
        browser.wait_for("document.querySelector('.history').innerText.includes('17')");
        browser.value_of("document.querySelector('#details a').click(); 0");
        browser.wait_for("!document.querySelector('#overview').hidden");
        assert_eq!(browser.problems(), Vec::<String>::new());
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_server_loses_nothing() {
    let mut house = House::start(PageOptions::new()).await;
    let Some(mut browser) = Chromium::start() else {
        return;
    };
    block_in_place(|| {
        browser.open(&house.url());
        browser.wait_for("document.querySelector('#link').textContent === 'Live'");
    });
    house.stop_serving().await;
    block_in_place(|| {
        browser.wait_for("document.querySelector('#link').textContent !== 'Live'");
    });
    house.control().emit(&Event::new("ST", "42").node("n1"));
    house.serve(PageOptions::new()).await;
    block_in_place(|| {
        browser.wait_for("document.querySelector('#link').textContent === 'Live'");
        browser.wait_for(&format!("{}.includes('42')", row("n1")));
        browser.forget();
        house.control().emit(&Event::new("ST", "43").node("n1"));
        browser.wait_for(&format!("{}.includes('43')", row("n1")));
        assert_eq!(browser.problems(), Vec::<String>::new());
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_are_text() {
    let house = House::start(PageOptions::new()).await;
    let control = house.control();
    let node = control.nodes().first().cloned().unwrap();
    let hostile = "<script>window.hit=1</script><img src=x onerror='window.hit=1'>\"'&\u{202e}";
    block_in_place(|| {
        let Some(mut browser) = Chromium::start() else {
            return;
        };
        browser.open(&house.url());
        browser.wait_for(&format!("{ROWS} >= 12"));
        assert!(control.rename(&node, hostile));
        control.emit(&Event::new("ST", hostile).node("n1"));
        let shown = hostile.replace('\u{202e}', "\u{fffd}");
        browser.wait_for(&format!("{} !== ''", row(&shown)));
        browser.wait_for(&format!("{}.includes('<script>')", row("n1")));
        assert_eq!(
            browser.value_of("window.hit ?? null"),
            serde_json::Value::Null
        );
        assert_eq!(
            browser.value_of("document.querySelectorAll('img').length"),
            0
        );
        assert_eq!(
            browser.value_of("document.querySelectorAll('script').length"),
            1
        );
        assert!(browser.requests().iter().all(|url| !url.ends_with("/x")));
        assert_eq!(browser.problems(), Vec::<String>::new());
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_asked_for_and_kept_in_no_url() {
    let house = House::start(PageOptions::new().password("open sesame".into())).await;
    block_in_place(|| {
        let Some(mut browser) = Chromium::start() else {
            return;
        };
        browser.open(&house.url());
        browser.wait_for("!document.querySelector('#sign-in').hidden");
        assert_eq!(browser.value_of(ROWS), 0);
        let sign_in = |browser: &mut Chromium, password: &str| {
            browser.value_of(&format!(
                "document.querySelector('#password').value = '{password}'; document.querySelector('#sign-in').requestSubmit(); 0"
            ));
        };
        sign_in(&mut browser, "guess");
        browser.wait_for(
            "document.querySelector('#sign-in-problem').textContent.includes('wrong password')",
        );
        sign_in(&mut browser, "open sesame");
        browser.wait_for(&format!("{ROWS} >= 12"));
        assert_eq!(browser.value_of("document.cookie"), "", "HttpOnly");
        assert!(browser.requests().iter().all(|url| !url.contains("sesame")));
        browser.value_of("document.querySelector('#sign-out').click(); 0");
        browser.wait_for("!document.querySelector('#sign-in').hidden");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_filter_updates_while_text_is_typed() {
    let house = House::start(PageOptions::new()).await;
    house.control().emit(&Event::new("ST", "42").node("n1"));
    block_in_place(|| {
        let Some(mut browser) = Chromium::start() else {
            return;
        };
        browser.open(&house.url());
        browser.wait_for(&format!("{} !== ''", row("n1")));
        let search = |text: &str| {
            format!(
                "(() => {{ const search = document.querySelector('#search'); search.value = '{text}'; search.dispatchEvent(new Event('input')); }})()"
            )
        };
        let visible = "[...document.querySelectorAll('.row')].filter((row) => row.offsetParent !== null).length";
        browser.value_of(&search("N1"));
        browser.wait_for(&format!("{visible} === 1"));
        browser.value_of(&search("nothing of that name"));
        browser.wait_for(&format!(
            "{visible} === 0 && !document.querySelector('#nothing').hidden"
        ));
        browser.value_of(&search(""));
        browser.wait_for(&format!("{visible} >= 12"));
        assert_eq!(browser.problems(), Vec::<String>::new());
    });
}

/// Takes the picture of the README, `docs/page.png`, if `IOX_UPDATE` is set.
#[tokio::test(flavor = "multi_thread")]
async fn take_the_screenshot_of_the_readme() {
    if std::env::var_os("IOX_UPDATE").is_none() {
        return;
    }
    let options = Options::new().allow(Allowance::ALL);
    let house = House::with(quiet(24), options, PageOptions::new()).await;
    block_in_place(|| {
        let Some(mut browser) = Chromium::start() else {
            return;
        };
        browser.resize(1100, 720);
        browser.open(&house.url());
        browser.wait_for("document.querySelector('#house').innerText.includes('Hall lamp')");
        for _ in 0..20 {
            house.control().happen();
        }
        browser.wait_for("document.querySelectorAll('#events .live').length >= 12");
        let picture = browser.screenshot();
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/page.png");
        std::fs::write(path, picture).unwrap();
    });
}

/// Prints how long the page takes for a house of 5,000 nodes. `PERFORMANCE.md` has the figures.
#[tokio::test(flavor = "multi_thread")]
async fn a_house_of_5000_nodes_is_shown_and_followed() {
    let house = House::with(quiet(5000), Options::new(), PageOptions::new()).await;
    block_in_place(|| {
        let Some(mut browser) = Chromium::start() else {
            return;
        };
        let began = Instant::now();
        browser.open(&house.url());
        browser.wait_for(&format!("{ROWS} >= 5000"));
        let rows = began.elapsed();
        let paint = browser.value_of(
            "new Promise((done) => new PerformanceObserver((list) => done(list.getEntries()[0].startTime)).observe({ type: 'paint', buffered: true }))",
        );
        // From the arrival of a change to the next frame.
        let update = browser.value_of(
            "(async () => { const stream = new EventSource('events'); const times = []; await new Promise((done) => stream.onmessage = done); window.sample = new Promise((done) => { stream.onmessage = () => { const began = performance.now(); requestAnimationFrame(() => setTimeout(() => { stream.close(); done(performance.now() - began); })); }; }); return 0; })()",
        );
        assert_eq!(update, 0);
        house.control().emit(&Event::new("ST", "42").node("n1"));
        browser.wait_for(&format!("{}.includes('42')", row("n1")));
        let update = browser.value_of("window.sample");
        println!(
            "5,000 nodes: first paint {paint} ms, all rows after {} ms, an update {update} ms",
            rows.as_millis()
        );
        assert_eq!(browser.problems(), Vec::<String>::new());
    });
}
