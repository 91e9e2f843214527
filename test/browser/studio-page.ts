import { mkdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AxeResults } from 'axe-core';
import type { Browser, BrowserContext, BrowserContextOptions, Locator, Page } from 'playwright-core';
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

/** Answers requests with this mutation with an error, without executing them, until all routes are removed. */
export const refuse = async (page: Page, mutation: string, code: string): Promise<void> => {
  await page.route('**/graphql', (route) =>
    route.request().postData()?.includes(mutation)
      ? route.fulfill({ json: { errors: [{ message: 'Refused by the test.', extensions: { code } }] } })
      : route.fallback(),
  );
};

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

  /** Loads the page again, without its routes: they end between the two, since requests that wait in a route may hang. */
  async reopen(): Promise<void> {
    const url = this.page.url();
    await this.page.goto('about:blank');
    await this.page.unrouteAll();
    await this.page.goto(url);
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
