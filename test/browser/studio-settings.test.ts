import type { Browser, Request } from 'playwright-core';
import { likeness } from '../support/command-line';
import { TestGateway } from '../support/gateway';
import { LocalBucket } from '../support/local-bucket';
import { StrictProxy } from '../support/strict-proxy';
import { startBrowser } from './chromium';
import { fillStorage, photos, refuse, storedOrders, StudioPage } from './studio-page';

jest.setTimeout(120_000);

let browser: Browser;
let gateway: TestGateway;

beforeAll(async () => {
  browser = await startBrowser();
});
afterAll(() => browser.close());
afterEach(() => gateway.stop());

describe('the studio of a gateway with prices and limits', () => {
  it('shows what an order costs, what was spent, and why an order is refused', async () => {
    const PRICES =
      'sandbox.training=2.50+0.05/photo,sandbox.generation=0.02/avatar,sandbox.instant=0.03/avatar';
    gateway = await TestGateway.start({ PRICES, CURRENCY: 'EUR', QUOTA_TRAININGS_PER_DAY: '1' });
    const studio = await StudioPage.open(browser, gateway.url);
    await studio.choosePhotos(await photos(5));
    await studio.chooseType('Woman');
    await studio.page.getByText('Costs 2.75 EUR').waitFor();
    await studio.train('Grace');
    await studio.expectReady();
    await studio.page.getByText('Costs 0.04 EUR').waitFor();
    await studio.page.getByRole('link', { name: 'Account', exact: true }).click();
    await studio.page.getByText('1 of 1').waitFor();
    await studio.page.getByText('2.75 EUR, no limit').first().waitFor();
    await studio.page.getByRole('link', { name: 'Create', exact: true }).click();
    await studio.choosePhotos(await photos(5, 10));
    await studio.chooseType('Woman');
    await studio.page.getByText('This would be refused now (QUOTA_EXCEEDED).').waitFor();
    await studio.button('Train the model').click();
    await studio.page.getByRole('alert').getByText('QUOTA_EXCEEDED').waitFor();
    // It is not ordered by itself on another day.
    expect(await storedOrders(studio.page)).toEqual([]);
    await studio.context.close();
  });
});

describe('the studio of a gateway whose clients use the bucket', () => {
  let bucket: LocalBucket;
  let proxy: StrictProxy;
  beforeAll(async () => {
    bucket = await LocalBucket.start();
    proxy = await StrictProxy.start(bucket.url);
  });
  afterAll(async () => {
    await proxy.stop();
    await bucket.stop();
  });

  it('uploads photos there, and shows avatars from there', async () => {
    gateway = await TestGateway.start({
      ...bucket.settings,
      ...{ S3_ENDPOINT: proxy.url, S3_UPLOADS: 'direct', S3_READS: 'presigned' },
    });
    const studio = await StudioPage.open(browser, gateway.url);
    await studio.choosePhotos(await photos(5));
    await studio.chooseType('Woman');
    await studio.train('Grace');
    await studio.expectReady();
    await studio.page.getByRole('checkbox', { name: 'Watercolor' }).check();
    const answerOfBucket = studio.page.waitForResponse((answer) =>
      answer.url().startsWith(`${proxy.url}/pictures/avatars/`),
    );
    await studio.button('Make 4 avatars').click();
    await studio.expectAvatars(4);
    expect((await answerOfBucket).status()).toBe(200);
    expect(studio.requests.some((url) => url.startsWith(`${proxy.url}/pictures/uploads/`))).toBe(true);
    expect(studio.complaints).toEqual([]);
    await studio.context.close();
  });
});

describe('the studio of a gateway that asks for keys', () => {
  it('signs in with a pasted key, kept in the tab and shown nowhere, and forgets the owner in all tabs at sign-out', async () => {
    gateway = await TestGateway.start({ AUTH: 'keys' });
    const environment = { DATABASE_URL: gateway.databaseUrl };
    const createKey = async (owner: string): Promise<string> =>
      (await likeness(environment, 'keys', 'create', '--owner', owner)).out.trim();
    const key = await createKey('grace');
    const studio = await StudioPage.open(browser, gateway.url, { reducedMotion: 'reduce' });
    const expectAccessible = async (): Promise<void> => {
      for (const colorScheme of ['light', 'dark'] as const) {
        await studio.page.emulateMedia({ colorScheme });
        expect(await studio.violations()).toEqual([]);
      }
    };
    await expectAccessible();
    expect(await studio.page.getByLabel('API key or token').getAttribute('type')).toBe('password');
    await studio.screenshot('sign-in');
    // A browser would leave the page and show a file that is dropped there.
    const isDropIgnored = `(() => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File(['photo'], 'photo.jpg', { type: 'image/jpeg' }));
      const options = { dataTransfer, bubbles: true, cancelable: true };
      return !document.querySelector('h1').dispatchEvent(new DragEvent('drop', options));
    })()`;
    expect(await studio.page.evaluate(isDropIgnored)).toBe(true);
    await studio.page.getByLabel('API key or token').fill('my key → ключ');
    await studio.button('Sign in').click();
    await studio.page.getByText('This is not a key').waitFor();
    // The key is used, though it cannot be stored.
    await fillStorage(studio.page, 'sessionStorage');
    await studio.page.getByLabel('API key or token').fill('lk_wrong');
    await studio.button('Sign in').click();
    await studio.page.getByText('This key is not valid').waitFor();
    await studio.page.evaluate('sessionStorage.clear()');
    await expectAccessible();
    // With the keyboard alone.
    await studio.page.reload();
    await studio.tabTo('API key or token');
    await studio.page.keyboard.insertText(`Authorization: Bearer “${key}” `);
    await studio.tabTo('Sign in');
    await studio.page.keyboard.press('Enter');
    await studio.page.getByRole('heading', { name: 'Avatars from your photos' }).waitFor();
    await studio.choosePhotos(await photos(5));
    await studio.chooseType('Woman');
    await studio.page.getByLabel('Name (optional)').fill('Ada');
    await refuse(studio.page, 'trainModel', 'FORBIDDEN');
    await studio.button('Train the model').click();
    await studio.page.getByRole('alert').getByText('FORBIDDEN').waitFor();
    await studio.page.reload();
    await studio.button('Developer').click();
    await studio.page.getByRole('link', { name: 'Account', exact: true }).click();
    await studio.page.getByText('Signed in as grace').waitFor();
    // It is in front of some of the operations.
    await studio.expectMessage('An order is not confirmed yet.');
    await studio.button('Dismiss').click();
    for (const entry of await studio.page.locator('.operation summary').all()) await entry.click();
    expect(await studio.page.content()).not.toContain(key);
    expect(await studio.page.evaluate('JSON.stringify({ ...localStorage })')).not.toContain(key);
    expect(await studio.page.evaluate('JSON.stringify({ ...localStorage })')).toContain('Ada');
    const other = await StudioPage.open(browser, `${gateway.url}/#/account`, { context: studio.context });
    await other.page.getByLabel('API key or token').fill(key);
    await other.button('Sign in').click();
    await other.page.getByText('Signed in as grace').waitFor();
    await other.page.goto(`${gateway.url}/graphiql`);
    const reloaded = other.page.waitForEvent('load');
    await other.page.getByLabel('Key or token').fill(key);
    await other.page.keyboard.press('Enter');
    await reloaded;
    await other.page.goto(`${gateway.url}/#/account`);
    await other.page.getByText('Signed in as grace').waitFor();
    const answerLate = await holdPhotos(studio);
    await studio.tabTo('Sign out');
    await studio.page.keyboard.press('Enter');
    await studio.tabTo('Sign out and forget it');
    await studio.page.keyboard.press('Enter');
    await other.page.getByRole('heading', { name: 'Sign in' }).waitFor();
    expect(await other.page.evaluate('Object.keys(sessionStorage)')).toEqual([]);
    await studio.page.getByRole('heading', { name: 'Sign in' }).waitFor();
    await answerLate();
    const kept = await studio.page.evaluate<string[]>('Object.keys(localStorage)');
    expect(kept.filter((name) => !name.startsWith('graphiql:'))).toEqual([]);
    expect(await studio.page.title()).toBe('Sign in · Likeness');
    await studio.page.getByLabel('API key or token').fill(key);
    await studio.button('Sign in').click();
    await studio.page.getByRole('heading', { name: 'Avatars from your photos' }).waitFor();
    // Of the owner who has signed out, neither operations nor photos that were not sent are there.
    await studio.button('Developer').click();
    const operations = studio.page.locator('.operation summary');
    await operations.filter({ hasText: 'Session' }).waitFor();
    expect(await operations.filter({ hasText: 'Account' }).count()).toBe(0);
    // Another tab has another owner, who stays.
    await other.page.getByLabel('API key or token').fill(await createKey('ada'));
    await other.button('Sign in').click();
    await other.page.getByRole('heading', { name: 'Avatars from your photos' }).waitFor();
    const bad = { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('not a photo') };
    await studio.page.getByLabel('Photos', { exact: true }).setInputFiles(bad);
    await studio.page.getByText('Cannot be used').waitFor();
    await studio.page.getByRole('link', { name: 'Account', exact: true }).click();
    await studio.button('Sign out').click();
    await studio.page.getByLabel('API key or token').fill(key);
    await studio.button('Sign in').click();
    await studio.page.getByText('5 more usable photos are needed.').waitFor();
    expect(await studio.page.getByText('Cannot be used').count()).toBe(0);
    await other.page.getByRole('link', { name: 'Account', exact: true }).click();
    await other.page.getByText('Signed in as ada').waitFor();
    const accept = await refuse(studio.page, 'query Session', 'FORBIDDEN');
    await studio.page.reload();
    await studio.page.getByRole('alert').getByText('FORBIDDEN').waitFor();
    await expectAccessible();
    await studio.button('Use another key').click();
    accept();
    // Where the browser permits no storage, as with all cookies blocked, the key is kept until the page is loaded again.
    await studio.page.addInitScript(`
      if (location.search === '?blocked')
        for (const name of ['localStorage', 'sessionStorage'])
          Object.defineProperty(window, name, { get: () => { throw new DOMException('', 'SecurityError'); } });`);
    await studio.page.goto(`${gateway.url}/?blocked`);
    await studio.page.getByLabel('API key or token').fill(key);
    await studio.button('Sign in').click();
    await studio.page.getByRole('heading', { name: 'Avatars from your photos' }).waitFor();
    await studio.choosePhotos(await photos(1));
    await studio.page.getByRole('link', { name: 'Account', exact: true }).click();
    await studio.button('Sign out').click();
    await studio.page.getByRole('heading', { name: 'Sign in' }).waitFor();
    await studio.page.goto(gateway.url);
    await studio.page.getByLabel('API key or token').fill(key);
    await studio.button('Sign in').click();
    await studio.page.getByRole('heading', { name: 'Avatars from your photos' }).waitFor();
    // What the back button does with a page that the browser has kept, if another page of the tab has signed out since.
    await studio.page.evaluate(`
      sessionStorage.clear();
      dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }));`);
    await studio.page.getByRole('heading', { name: 'Sign in' }).waitFor();
    await studio.context.close();
  });
});

/**
 * Opens the page Create, and then Account, without an answer to the query for the chosen photos.
 * @returns a function that answers it
 */
async function holdPhotos({ page }: StudioPage): Promise<() => Promise<void>> {
  let release = (): void => undefined;
  const isPhotos = (request: Request): boolean => request.postData()?.includes('query Photos') ?? false;
  const isAsked = new Promise<void>((asked) => {
    void page.route('**/graphql', async (route) => {
      if (!isPhotos(route.request())) return route.fallback();
      await new Promise<void>((resolve) => {
        release = resolve;
        asked();
      });
      return route.fallback();
    });
  });
  await page.getByRole('link', { name: 'Create', exact: true }).click();
  await isAsked;
  await page.getByRole('link', { name: 'Account', exact: true }).click();
  await page.getByText('Signed in as').waitFor();
  return async () => {
    const answered = page.waitForResponse((response) => isPhotos(response.request()));
    release();
    await (await answered).finished();
  };
}
