import { mkdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AxeResults } from 'axe-core';
import type { Browser, BrowserContext, BrowserContextOptions, Locator, Page, Route } from 'playwright-core';
import { facePhoto } from '../support/pictures';

/** Where screenshots are kept for people to look at. */
const screenshotFolder = join(__dirname, '../../artifacts/screenshots');

/** A file for an input element. */
export interface TestFile {
  name: string;
  mimeType: string;
  buffer: Buffer;
}

/** Photos of drawn faces. */
export function photos(count: number, firstSeed = 1): Promise<TestFile[]> {
  return Promise.all(
    Array.from({ length: count }, async (_, index) => ({
      name: `face-${firstSeed + index}.jpg`,
      mimeType: 'image/jpeg',
      buffer: await facePhoto(firstSeed + index),
    })),
  );
}

/** The orders in the storage of a page, as JSON. */
export const storedOrders = (page: Page): Promise<string[]> =>
  page.evaluate<string[]>(
    "Object.entries(localStorage).filter(([key]) => key.startsWith('likeness.order')).map(([, value]) => value)",
  );

/** Fills a storage, as programs of the same origin may. */
export const fillStorage = (page: Page, name: 'localStorage' | 'sessionStorage'): Promise<void> =>
  page.evaluate(`
    for (let size = 4_194_304; size >= 1; size /= 2)
      for (;;) {
        try { ${name}.setItem('other' + ${name}.length, 'x'.repeat(size)); } catch { break; }
      }`);

/**
 * Handles requests for GraphQL with these words, until the returned function is called. The route stays, since a request that
 * waits in a route while it is removed may hang.
 */
export async function intercept(
  page: Page | BrowserContext,
  operation: string,
  handle: (route: Route) => Promise<void>,
): Promise<() => void> {
  const isConcerned = new RegExp(`\\b${operation}\\b`);
  let isEnded = false;
  await page.route('**/graphql', (route) =>
    !isEnded && isConcerned.test(route.request().postData() ?? '') ? handle(route) : route.fallback(),
  );
  return () => (isEnded = true);
}

/** Answers requests with this operation with an error, without executing them, until the returned function is called. */
export const refuse = (page: Page, operation: string, code: string): Promise<() => void> =>
  intercept(page, operation, (route) =>
    route.fulfill({ json: { errors: [{ message: 'Refused by the test.', extensions: { code } }] } }),
  );

/** Executes requests with this mutation, and drops their answers, until the returned function is called. */
export const loseAnswers = (page: Page | BrowserContext, mutation: string): Promise<() => void> =>
  intercept(page, mutation, async (route) => {
    await route.fetch().catch(() => undefined);
    // The page may have been left in the meantime.
    await route.abort().catch(() => undefined);
  });

/** Options of a window. */
export interface StudioOptions extends Pick<
  BrowserContextOptions,
  'colorScheme' | 'viewport' | 'reducedMotion'
> {
  /** A window that shares its storage with another. */
  context?: BrowserContext;
}

/** The studio in a window of a browser. Waits are bounded by the context's timeout. */
export class StudioPage {
  /** Errors and warnings of the console, and uncaught errors. */
  readonly complaints: string[] = [];
  /** The URLs of all requests. */
  readonly requests: string[] = [];
  /** Bytes of responses as they were sent, compressed. */
  receivedBytes = 0;

  private constructor(
    readonly page: Page,
    readonly context: BrowserContext,
  ) {
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) this.complaints.push(message.text());
    });
    page.on('pageerror', (error) => this.complaints.push(error.message));
    page.on('request', (request) => this.requests.push(request.url()));
    page.on('requestfinished', (request) => {
      void request.sizes().then(
        ({ responseBodySize }) => (this.receivedBytes += responseBodySize),
        () => undefined,
      );
    });
  }

  /** Opens a URL in a new window, without stored state unless a context is given. It closes with the browser. */
  static async open(browser: Browser, url: string, options: StudioOptions = {}): Promise<StudioPage> {
    const { context: shared, ...rest } = options;
    const context = shared ?? (await browser.newContext({ viewport: { width: 1280, height: 860 }, ...rest }));
    context.setDefaultTimeout(45_000);
    const page = await context.newPage();
    const studio = new StudioPage(page, context);
    await page.goto(url);
    await page.getByRole('heading', { level: 1 }).waitFor();
    return studio;
  }

  button(name: string | RegExp): Locator {
    return this.page.getByRole('button', { name, exact: typeof name === 'string' });
  }

  /** Chooses photos on the start page and waits until as many are usable. */
  async choosePhotos(files: TestFile[], usable = files.length): Promise<void> {
    await this.page.getByLabel('Photos', { exact: true }).setInputFiles(files);
    await this.page.getByText(new RegExp(`^${usable} of \\d+ usable[.]`)).waitFor();
  }

  /** Chooses who is in the photos. */
  async chooseType(type: string): Promise<void> {
    await this.page.getByRole('radio', { name: type, exact: true }).check();
  }

  /** Trains a model from chosen photos, and waits until its page is shown. */
  async train(name: string): Promise<void> {
    await this.chooseType('Woman');
    await this.page.getByLabel('Name (optional)').fill(name);
    await this.button('Train the model').click();
    await this.page.getByRole('heading', { level: 1, name }).waitFor();
  }

  /** The name of the focused element. */
  focused(): Promise<string> {
    return this.page.evaluate<string>(`(() => {
      const { ariaLabel, labels, innerText } = document.activeElement;
      return (ariaLabel ?? (labels?.[0] ?? { innerText }).innerText).trim();
    })()`);
  }

  /** Presses Tab until an element has the focus. */
  async tabTo(name: string | RegExp): Promise<void> {
    const maxSteps = 60;
    for (let step = 0; step < maxSteps; step++) {
      await this.page.keyboard.press('Tab');
      const found = await this.focused();
      if (typeof name === 'string' ? found === name : name.test(found)) return;
    }
    throw new Error(`Tab does not reach ${String(name)}.`);
  }

  /** Waits until avatars can be ordered on the page of a model. */
  async expectReady(): Promise<void> {
    await this.page.getByRole('heading', { name: 'New avatars' }).waitFor();
  }

  /** The avatars of the page. */
  get avatars(): Locator {
    return this.page.getByRole('button', { name: /^Open / });
  }

  /** Waits until the page shows as many avatars. */
  async expectAvatars(count: number): Promise<void> {
    await this.avatars.nth(count - 1).waitFor();
  }

  /** Waits for a message at the edge of the page. */
  async expectMessage(text: string | RegExp): Promise<void> {
    await this.page.getByRole('log').getByText(text).first().waitFor();
  }

  /** What axe finds on the page, as `rule: element`. Transitions would be measured half-way: open it with reduced motion. */
  async violations(): Promise<string[]> {
    await this.page.evaluate(await readFile(require.resolve('axe-core'), 'utf8'));
    const { violations } = await this.page.evaluate<AxeResults>('axe.run()');
    return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
  }

  /** Keeps a picture of the window. */
  async screenshot(name: string): Promise<void> {
    mkdirSync(screenshotFolder, { recursive: true });
    await this.page.screenshot({ path: join(screenshotFolder, `${name}.png`) });
  }
}
