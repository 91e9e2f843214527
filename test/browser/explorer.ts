import type { Browser, BrowserContext, Locator, Page } from 'playwright-core';
import { until } from '../support/until';

/**
 * Runs in the page before its own scripts: records every text of the response pane, and reports violations of the content
 * security policy as errors.
 */
const witness = `
globalThis.shown = [];
let last = '';
new MutationObserver(() => {
  const text = document.querySelector('.graphiql-response .CodeMirror')?.CodeMirror.getValue() ?? '';
  if (text !== last && text !== '') shown.push(text);
  last = text;
}).observe(document, { childList: true, subtree: true, characterData: true });
addEventListener('securitypolicyviolation', (event) => console.error('forbidden: ' + event.violatedDirective));
`;

/**
 * Whether GraphiQL has read the content of its editor and its button shows the menu of operations; before that it would run
 * the earlier content, or without a name.
 */
const hasRead = `(() => {
  const editor = document.querySelector('.graphiql-query-editor .CodeMirror').CodeMirror;
  const button = document.querySelector('.graphiql-execute-button');
  return editor.documentAST?.loc.source.body === editor.getValue() && button.ariaHasPopup === 'menu';
})()`;

/** GraphiQL in a new browser window without stored state. */
export class Explorer {
  /** The URLs of all requests and sockets, in order. */
  readonly requests: string[] = [];
  /** Errors and warnings of the console, and uncaught errors. */
  readonly complaints: string[] = [];
  /** Messages sent over sockets. */
  readonly frames: unknown[] = [];

  private constructor(
    private readonly context: BrowserContext,
    private readonly page: Page,
  ) {
    context.on('request', (request) => this.requests.push(request.url()));
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) this.complaints.push(message.text());
    });
    page.on('pageerror', (error) => this.complaints.push(error.message));
    page.on('websocket', (socket) => {
      this.requests.push(socket.url());
      socket.on('framesent', ({ payload }) => this.frames.push(JSON.parse(String(payload))));
    });
  }

  /** Opens a URL in a new window and waits until the editor is loaded. It closes with the browser. */
  static async open(browser: Browser, url: string): Promise<Explorer> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    context.setDefaultTimeout(15_000);
    const page = await context.newPage();
    const explorer = new Explorer(context, page);
    await page.addInitScript({ content: witness });
    await page.goto(url);
    await page.locator('.graphiql-query-editor .CodeMirror-code').waitFor();
    return explorer;
  }

  get address(): string {
    return this.page.url();
  }

  async tabNames(): Promise<string[]> {
    const names = await this.page.locator('.graphiql-tab').allInnerTexts();
    return names.map((name) => name.trim());
  }

  async openTab(name: string): Promise<void> {
    await this.page.locator('.graphiql-tab-button').getByText(name, { exact: true }).click();
  }

  /** The content of the editor. */
  query(): Promise<string> {
    return this.page.evaluate<string>(
      `document.querySelector('.graphiql-query-editor .CodeMirror').CodeMirror.getValue()`,
    );
  }

  /** Visits the page again, with what the browser has stored. */
  async reload(): Promise<void> {
    await this.page.reload();
    await this.page.locator('.graphiql-query-editor .CodeMirror-code').waitFor();
  }

  /** Writes the key into the field of the page, which loads the page again. */
  async giveKey(key: string): Promise<void> {
    await this.page.getByLabel('Key or token').fill(key);
    const loaded = this.page.waitForEvent('load');
    await this.page.getByLabel('Key or token').press('Enter');
    await loaded;
    await this.page.locator('.graphiql-query-editor .CodeMirror-code').waitFor();
  }

  /** Overwrites the variables, or the headers, of this tab. */
  async give(what: 'Variables' | 'Headers', value: object): Promise<void> {
    await this.page.getByRole('button', { name: what, exact: true }).click();
    await this.replace(this.page.locator(`section[aria-label="${what}"]`), JSON.stringify(value));
  }

  /** Runs an operation of the tab and waits for a new text in the response pane. */
  async run<T>(operation: string): Promise<T> {
    const before = (await this.answers()).length;
    await this.start(operation);
    await until(async () => (await this.answers()).length > before);
    return (await this.answers<T>()).at(-1)!;
  }

  /** Runs one of the operations of the tab, chosen from the menu of the button, once the editor has read them. */
  async start(operation: string): Promise<void> {
    await until(() => this.page.evaluate<boolean>(hasRead));
    await this.page.locator('.graphiql-execute-button').click();
    await this.page.getByRole('menuitem', { name: operation, exact: true }).click();
  }

  /** All texts of the response pane, in order. */
  async answers<T = unknown>(): Promise<T[]> {
    return (await this.page.evaluate<string[]>('shown')).map((text) => JSON.parse(text) as T);
  }

  /** Waits until the response pane shows a text. */
  async expectAnswer(text: string | RegExp): Promise<void> {
    await this.page.locator('.graphiql-response').getByText(text).first().waitFor();
  }

  /** Opens the documentation at its start page, follows links, and returns the text of the last page. */
  async readDocs(...links: string[]): Promise<string> {
    await this.page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
    return this.followDocs(...links);
  }

  /** Follows links of the documentation from the current page. */
  async followDocs(...links: string[]): Promise<string> {
    const docs = this.page.locator('.graphiql-plugin');
    for (const link of links) {
      await docs.getByRole('link', { name: link, exact: true }).first().click();
      await docs.locator('.graphiql-doc-explorer-title').getByText(link, { exact: true }).waitFor();
    }
    return docs.innerText();
  }

  /** Reloads the documentation with the headers of this tab. */
  async fetchDocs(): Promise<void> {
    await this.page.getByRole('button', { name: 'Re-fetch GraphQL schema' }).click();
  }

  async closeDocs(): Promise<void> {
    await this.page.getByRole('button', { name: 'Hide Documentation Explorer' }).click();
  }

  /** Opens a picture in a new window and returns its size in pixels. */
  async openPicture(url: string): Promise<{ width: number; height: number }> {
    const page = await this.context.newPage();
    await page.goto(url);
    const size = '({ width: document.images[0].naturalWidth, height: document.images[0].naturalHeight })';
    const found = await page.evaluate<{ width: number; height: number }>(size);
    await page.close();
    return found;
  }

  private async replace(editor: Locator, text: string): Promise<void> {
    await editor.locator('.CodeMirror:visible').click();
    await this.page.keyboard.press('ControlOrMeta+A');
    await this.page.keyboard.insertText(text);
  }
}
