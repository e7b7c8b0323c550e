// Works with the workbench as an author does: in a browser, from a project that builds to a promoted converter.
// `node workbench.js FACTS.json`, of which every path and the page's address are in FACTS; with `pictures`, screenshots go there.
// Prints what it has seen as JSON. It fails where the page does not come to show what it must, within a generous time.
"use strict";

const fs = require("fs");
const http = require("http");
const path = require("path");

const facts = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const { chromium } = require(facts.playwright);

// What a build takes on a busy machine, the first one of a standard library included.
const BUILD = { timeout: 900_000 };
const source = path.join(facts.project, "src/lib.rs");
const seen = {};
const edit = (from, to) => {
  const text = fs.readFileSync(source, "utf8");
  if (!text.includes(from)) throw new Error(`src/lib.rs has no ${from}`);
  fs.writeFileSync(source, text.replaceAll(from, to));
};

async function main() {
  const browser = await chromium.launch({ executablePath: facts.chromium, timeout: 120_000 });
  try {
    const page = await browser.newPage({ viewport: { width: 1120, height: 760 }, colorScheme: "light" });
    page.setDefaultTimeout(120_000);
    const errors = [];
    page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
    page.on("pageerror", (error) => errors.push(error.message));
    const requested = new Set();
    page.on("request", (request) => requested.add(new URL(request.url()).host));
    const picture = async (name, selector) => {
      if (facts.pictures) await (selector ? page.locator(selector) : page).screenshot({ path: path.join(facts.pictures, `${name}.png`) });
    };
    const shows = (selector, text, options) => page.locator(selector, { hasText: text }).first().waitFor(options);
    const press = async (name) => {
      await page.click(`#do-${name}:enabled`);
      seen[`asked to ${name}`] = await page.textContent("#confirm-command");
      seen[`${name} question`] = await page.textContent("#confirm-text");
      await page.click("#confirm-yes");
    };
    await page.goto(facts.url);

    // What the project makes of its sample, as `new` left it.
    await shows("#status", "built in", BUILD);
    await shows("#points", "becomes");
    seen.name = await page.textContent("#name");
    seen.plan = await page.locator("#plan .levels > div").allTextContents();
    seen.line = await page.locator("#points .line").first().textContent();
    seen.row = await page.locator("#points tbody .cells").first().textContent();
    seen.columns = await page.locator("#sample table").first().locator("tbody tr").allTextContents();
    seen.cost = await page.textContent("#cost b");

    // The golden pair expects nothing yet. What the converter makes is accepted.
    await shows("#golden", "differs");
    await press("accept");
    await shows("#golden", "all as expected");

    // A broken source: the error stands in place, and what was seen before stays beside it.
    edit("plan.finish(", "plan.finnish(");
    await shows("#build-error", "finnish", BUILD);
    seen["lines beside the error"] = await page.locator("#points .line").count();
    seen["published beside the error"] = await page.locator("#do-publish:enabled").count();
    edit("plan.finnish(", "plan.finish(");
    await page.locator("#build").waitFor({ state: "hidden", ...BUILD });

    // Another file, dropped on the page: one row is rejected, and one replaces another.
    const dropped = fs.readFileSync(facts.dropped).toString("base64");
    const transfer = await page.evaluateHandle((base64) => {
      const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
      const transfer = new DataTransfer();
      transfer.items.add(new File([bytes], "january 2019.parquet"));
      return transfer;
    }, dropped);
    await page.dispatchEvent("body", "drop", { dataTransfer: transfer });
    await shows("#sample-name option:checked", "dropped/january_2019.parquet", { state: "attached" });
    await shows("#view-rejected", "1 rejected");
    await page.click("#view-rejected");
    seen.rejected = await page.locator("#points tbody tr").allTextContents();
    await shows("#view-replaced", "1 replaced");
    await page.click("#view-replaced");
    seen.replaced = await page.locator("#points tbody tr").first().textContent();
    await picture("workbench-replaced", "#points");
    await page.click("#view-all");

    // What is no Parquet file is refused with the reason, and the sample stays.
    await page.setInputFiles("#sample-file", { name: "notes.parquet", mimeType: "text/plain", buffer: Buffer.from("no Parquet") });
    await shows("#notice", "that is no sample");
    seen.refused = await page.textContent("#notice");
    await page.selectOption("#sample-name", facts.golden);
    await shows("#points", "20 points of 20 rows");

    // Publish and promote.
    await press("publish");
    await shows("#action-output", "published: ");
    await press("promote");
    await shows("#action-output", "sequence 1");
    await shows("#service", "makes the same");
    await page.evaluate(() => scrollTo(0, 0));
    await picture("workbench");

    // Another mapping: what differs from the golden pair and from the promoted version stands on the page.
    edit('Point::new("ons_load"', 'Point::new("load"');
    await shows("#plan", "point load", BUILD);
    await shows("#golden", "differs");
    await shows("#service", "20 added, 20 removed");
    seen.difference = await page.locator("#service td").first().textContent();
    // What is published under its version is another component: the name alone promotes nothing.
    await press("promote");
    await shows("#action-output", "another component is published");
    await page.emulateMedia({ colorScheme: "dark" });
    seen.dark = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);

    // Everything that is pressed has a name.
    seen.nameless = await page.evaluate(() => [...document.querySelectorAll("button, select, input, [role=region]")]
      .filter((element) => !(element.textContent.trim() || element.labels?.length || element.getAttribute("aria-label"))).length);

    // A page of somebody else, in the same browser, knows the address and is refused.
    const digest = await page.evaluate(() => state.sections.build.component.digest);
    seen.errors = errors.filter((text) => !text.includes("422"));
    seen.hosts = [...requested];
    seen.foreign = await foreign(browser, digest);
    await page.reload();
    await shows("#status", "built in");
    // By keyboard alone, the way past the header is reached first.
    await page.keyboard.press("Tab");
    seen["first reached"] = await page.evaluate(() => document.activeElement.textContent);
    seen["command afterwards"] = await page.textContent("#action-status code");

    // More files than are watched, among which are some of the project's own.
    seen["unwatched before"] = await page.isVisible("#unwatched");
    const data = path.join(facts.project, "data");
    fs.mkdirSync(data);
    for (let number = 0; number < 10_001; number++) fs.writeFileSync(path.join(data, String(number)), "");
    await shows("#unwatched", "are not noticed");
    seen.unwatched = await page.textContent("#unwatched");
  } finally {
    await browser.close();
  }
  console.log(JSON.stringify(seen));
}

// What a page from another origin gets of the workbench, by requests that browsers send without asking.
async function foreign(browser, digest) {
  const server = http.createServer((_, response) => response.setHeader("content-type", "text/html").end("<p>evil"));
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    return await page.evaluate(async ([url, digest]) => {
      const got = (answer) => answer.then((answer) => answer.type, (error) => error.name);
      const post = (action) => got(fetch(`${url}api/${action}?digest=${digest}`, { method: "POST", mode: "no-cors" }));
      return { posted: [await post("accept"), await post("publish")], read: await got(fetch(`${url}api/state`)) };
    }, [facts.url, digest]);
  } finally {
    server.close();
  }
}

main().catch((error) => {
  console.error(error);
  console.error(JSON.stringify(seen));
  process.exit(1);
});
