import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { launch, type Page as PuppeteerPage } from 'puppeteer-core';

export { findChromium } from './chromium.ts';

/** A headless browser; each has a user data folder of its own, which goes with it. */
export interface Browser {
  readonly page: Page;
  close(): Promise<void>;
}

/** What a person can do with a page. */
export interface Page {
  open(url: string): Promise<void>;
  /** Clicks on what has this text, as soon as it is there. */
  click(text: string): Promise<void>;
  /** Returns the page's whole text once all of these texts are on it. */
  read(texts: readonly string[]): Promise<string>;
  /** Writes into the input that this selector finds, in place of what is there. */
  write(selector: string, text: string): Promise<void>;
  /** What an expression of JavaScript says, there. */
  ask(expression: string): Promise<unknown>;
  /** As somebody has it who prefers dark or light pages. */
  prefer(scheme: 'dark' | 'light'): Promise<void>;
  /** @default 1280 by 720 */
  resize(width?: number, height?: number): Promise<void>;
  /** Errors that the page threw or the browser wrote to its console, dialogs among them, and addresses that were asked for. */
  readonly seen: { readonly errors: readonly string[]; readonly requests: readonly string[] };
  /** Writes NAME.png into the folder that the environment variable CONSULAR_SCREENSHOTS names, if it does. */
  screenshot(name: string, height?: number): Promise<void>;
}

/** A name as somebody has it who has it resolved to an address of this machine, after the browser took a page from it. */
export const REBOUND = 'rebound.example';

// No sandbox: containers rarely allow one, and only pages of the tests' own servers are opened.
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  `--host-resolver-rules=MAP ${REBOUND} 127.0.0.1`,
];
const SIZE = { width: 1280, height: 720 };
/** Generous, and also what puppeteer allows by default: it only decides how long a page without the text is looked at. */
const LIMIT_MS = 30_000;

export async function openBrowser(chromium: string): Promise<Browser> {
  const browser = await launch({ executablePath: chromium, headless: true, args: FLAGS, defaultViewport: SIZE });
  const page = await browser.newPage();
  const seen = watch(page);
  return {
    page: {
      open: async (url) => void (await page.goto(url)),
      click: (text) => page.locator(`::-p-text(${text})`).click(),
      read: (texts) => read(page, texts),
      write: (selector, text) => page.locator(selector).fill(text),
      ask: (expression) => page.evaluate(expression),
      prefer: (value) => page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value }]),
      resize: (width = SIZE.width, height = SIZE.height) => page.setViewport({ width, height }),
      seen,
      screenshot: (name, height) => screenshot(page, name, height),
    },
    close: () => browser.close(),
  };
}

function watch(page: PuppeteerPage): Page['seen'] {
  const [errors, requests]: [string[], string[]] = [[], []];
  page.on('pageerror', (error) => errors.push(error instanceof Error ? error.message : String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  page.on('dialog', (dialog) => {
    errors.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('request', (request) => requests.push(request.url()));
  return { errors, requests };
}

async function read(page: PuppeteerPage, texts: readonly string[]): Promise<string> {
  const deadline = performance.now() + LIMIT_MS;
  for (;;) {
    // As text, because the types of a browser's globals are not those of Node.js.
    const text = String(await page.evaluate('document.body.innerText'));
    const missing = texts.filter((expected) => !text.includes(expected));
    if (missing.length === 0) return text;
    if (performance.now() > deadline)
      throw new Error(`page ${page.url()}: expected the texts ${JSON.stringify(missing)}, found the page:\n${text}`);
    await sleep(50);
  }
}

async function screenshot(page: PuppeteerPage, name: string, height = SIZE.height): Promise<void> {
  const folder = process.env.CONSULAR_SCREENSHOTS;
  if (!folder) return;
  await mkdir(folder, { recursive: true });
  // Content scrolls inside of the page, so a longer one needs a higher window.
  const before = page.viewport() ?? SIZE;
  await page.setViewport({ ...before, height });
  // What moves is shown where it comes to rest; what moves for ever cannot be finished, and throws.
  await page.evaluate('for (const one of document.getAnimations()) try { one.finish() } catch {}');
  await page.screenshot({ path: `${join(folder, name)}.png` });
  await page.setViewport(before);
}
