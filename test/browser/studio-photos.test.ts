import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import sharp from 'sharp';
import { TestGateway } from '../support/gateway';
import { phonePhoto } from '../support/picture-bytes';
import { startBrowser } from './chromium';
import { photos, StudioPage, type TestFile } from './studio-page';

jest.setTimeout(120_000);

let browser: Browser;
let gateway: TestGateway;
let studio: StudioPage;

beforeAll(async () => {
  browser = await startBrowser();
  gateway = await TestGateway.start();
});
afterAll(async () => {
  await browser.close();
  await gateway.stop();
});
beforeEach(async () => {
  studio = await StudioPage.open(browser, gateway.url);
});
afterEach(() => studio.context.close());

/** The photos of the viewer that are stored. */
const storedPhotos = async (): Promise<number> => {
  const { photos: page } = await gateway.client.request<{ photos: { totalCount: number } }>(
    '{ photos(filter: { statuses: [READY] }) { totalCount } }',
  );
  return page.totalCount;
};

/** A file that may be larger in the page. */
interface DroppedFile extends TestFile {
  byteSize?: number;
}

/** Runs in the page: `bytes` of a photo, with comments of a JPEG in front until it has the size. */
const enlarge = `(bytes, byteSize) => {
  const parts = [bytes.subarray(0, 2)];
  for (let left = byteSize - bytes.length; left > 0; left -= parts.at(-1).length) {
    const comment = new Uint8Array(Math.max(4, Math.min(left, 65000)));
    new DataView(comment.buffer).setUint32(0, 0xfffe0000 + comment.length - 2);
    parts.push(comment);
  }
  return [...parts, bytes.subarray(2)];
}`;

/** Drags files over the heading of the page, and drops them there. Returns whether the browser would open them. */
async function drop(files: readonly DroppedFile[]): Promise<boolean> {
  const contents = files.map(({ buffer, ...file }) => ({ ...file, base64: buffer.toString('base64') }));
  const send = (type: string): Promise<boolean> =>
    studio.page.evaluate<boolean>(`(() => {
      const dataTransfer = new DataTransfer();
      for (const { name, mimeType, base64, byteSize = 0 } of ${JSON.stringify(contents)}) {
        const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
        dataTransfer.items.add(new File((${enlarge})(bytes, byteSize), name, { type: mimeType }));
      }
      const event = new DragEvent('${type}', { dataTransfer, bubbles: true, cancelable: true });
      return document.querySelector('h1').dispatchEvent(event);
    })()`);
  await send('dragenter');
  const isDragRefused = await send('dragover');
  return (await send('drop')) || isDragRefused;
}

/** Drags files and folders of this machine over the page, and drops them there. */
async function dropPaths(...files: string[]): Promise<void> {
  const session = await studio.context.newCDPSession(studio.page);
  const data = { items: [], files, dragOperationsMask: 1 };
  for (const type of ['dragEnter', 'dragOver', 'drop'] as const)
    await session.send('Input.dispatchDragEvent', { type, x: 300, y: 300, data });
  await session.detach();
}

describe('photos in the studio', () => {
  it('are taken with the camera, one after the other', async () => {
    await studio.button('Take photos').click();
    const dialog = studio.page.getByRole('dialog', { name: 'Take photos' });
    await dialog.getByRole('button', { name: 'Take a photo' }).click();
    await dialog.getByText('1 taken').waitFor();
    await dialog.getByRole('button', { name: 'Take a photo' }).click();
    await dialog.getByText('2 taken').waitFor();
    await studio.screenshot('camera');
    await studio.page.evaluate(
      `globalThis.camera = document.querySelector('video').srcObject.getTracks()[0]`,
    );
    await dialog.getByRole('button', { name: 'Done' }).click();
    await studio.page.getByText(/^2 of 2 usable[.]/).waitFor();
    expect(await studio.page.evaluate('camera.readyState')).toBe('ended');
    expect(studio.complaints).toEqual([]);
  });

  it('can be chosen where the camera is refused', async () => {
    await studio.page.evaluate(
      `navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotAllowedError'))`,
    );
    await studio.button('Take photos').click();
    const dialog = studio.page.getByRole('dialog', { name: 'Take photos' });
    await dialog.getByRole('alert').getByText('The camera cannot be used.').waitFor();
    await dialog.getByRole('button', { name: 'Done' }).click();
    await studio.choosePhotos(await photos(1));
    expect(studio.complaints).toEqual([]);
  });

  it('can be dropped anywhere on the page, and do not replace another page', async () => {
    expect(await drop(await photos(2))).toBe(false);
    await studio.page.getByText(/^2 of 2 usable[.]/).waitFor();
    await studio.page.getByRole('link', { name: 'Models', exact: true }).click();
    await studio.page.getByText('No models here.').waitFor();
    expect(await drop(await photos(1, 3))).toBe(false);
    await studio.page.getByRole('link', { name: 'Create', exact: true }).click();
    await studio.page.getByText(/^2 of 2 usable[.]/).waitFor();
  });

  it('can be dropped as a folder, of which pictures are taken', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'likeness-folder-'));
    try {
      const [one, two] = await photos(2);
      await mkdir(join(folder, 'photos/portraits'), { recursive: true });
      await mkdir(join(folder, 'texts'));
      await writeFile(join(folder, 'photos', one!.name), one!.buffer);
      await writeFile(join(folder, 'photos/portraits', two!.name), two!.buffer);
      await writeFile(join(folder, 'photos/.face.jpg'), 'data of another program');
      await writeFile(join(folder, 'photos/Thumbs.db'), 'data of another program');
      await writeFile(join(folder, 'texts/notes.txt'), 'no picture');
      await dropPaths(join(folder, 'photos'));
      await studio.page.getByText(/^2 of 2 usable[.]/).waitFor();
      await dropPaths(join(folder, 'texts'));
      await studio.expectMessage('There are no photos in texts.');
      await writeFile(join(folder, 'texts/1.jpg'), 'no picture');
      await Promise.all(
        Array.from({ length: 50 }, (_, index) =>
          copyFile(join(folder, 'texts/1.jpg'), join(folder, `texts/${index + 2}.jpg`)),
        ),
      );
      await dropPaths(join(folder, 'texts'));
      await studio.expectMessage('folders may have 50 pictures and 2,000 files');
      await studio.page.getByRole('listitem').filter({ hasText: '50.jpg' }).waitFor();
      expect(await studio.page.getByRole('listitem').filter({ hasText: '51.jpg' }).count()).toBe(0);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('can be dropped as files and deep folders at a time, also while the camera is open', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'likeness-folder-'));
    try {
      const [one, two] = await photos(2);
      const deep = 'album/2026/summer/june/12/harbor';
      await mkdir(join(folder, deep), { recursive: true });
      await mkdir(join(folder, 'texts'));
      await writeFile(join(folder, deep, one!.name), one!.buffer);
      await writeFile(join(folder, two!.name), two!.buffer);
      await studio.button('Take photos').click();
      const dialog = studio.page.getByRole('dialog', { name: 'Take photos' });
      await dropPaths(join(folder, 'texts'));
      await dialog.getByRole('log').getByText('There are no photos in texts.').waitFor();
      await dialog.getByRole('button', { name: 'Dismiss' }).click();
      await dialog.getByText('There are no photos').waitFor({ state: 'detached' });
      await dropPaths(...['album', two!.name, 'texts'].map((name) => join(folder, name)));
      await dialog.getByRole('log').getByText('There are no photos in texts.').waitFor();
      await dialog.getByRole('button', { name: 'Done' }).click();
      // What failed is shown until it is dismissed.
      await studio.expectMessage('There are no photos in texts.');
      await studio.page.getByText(/^2 of 2 usable[.]/).waitFor();
      await studio.button('Dismiss').click();
      expect(studio.complaints).toEqual([]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('may be WebP, AVIF and HEIC, which browsers do not show, but the server converts', async () => {
    const [photo] = await photos(1);
    await studio.choosePhotos([
      { name: 'face.webp', mimeType: 'image/webp', buffer: await sharp(photo!.buffer).webp().toBuffer() },
      { name: 'face.avif', mimeType: 'image/avif', buffer: await sharp(photo!.buffer).avif().toBuffer() },
    ]);
    // Browsers may not know its type. (An input element of the test would be given one.)
    await drop([{ name: 'phone.HEIC', mimeType: '', buffer: phonePhoto }]);
    await studio.page.getByText(/^3 of 3 usable[.]/).waitFor();
    // Its preview is a picture of the server; a browser that cannot show one has a symbol in its place.
    const tile = studio.page.getByRole('listitem').filter({ hasText: 'phone.HEIC' });
    await tile.locator('img[src*="/media/"], img[src*="/photos/"]').waitFor();
    expect(await tile.innerText()).toContain('Usable');
  });

  it('may have 20 MB, and are refused with the limit above it', async () => {
    const [photo] = await photos(1);
    await drop([
      { ...photo!, name: 'large.jpg', byteSize: 20_000_000 },
      { ...photo!, name: 'too-large.jpg', byteSize: 25_000_001 },
    ]);
    await studio.page.getByText(/^1 of 2 usable[.]/).waitFor();
    const tile = studio.page.getByRole('listitem').filter({ hasText: 'too-large.jpg' });
    expect(await tile.innerText()).toContain('25 MB');
  });

  it('are stored once when an upload is cut off and another is not answered', async () => {
    const before = await storedPhotos();
    let uploads = 0;
    await studio.page.route('**/uploads/**', async (route) => {
      uploads++;
      if (uploads > 2) return route.fallback();
      if (uploads === 2) await route.fetch();
      return route.abort();
    });
    await studio.choosePhotos(await photos(3));
    expect(uploads).toBe(5);
    expect(await storedPhotos()).toBe(before + 3);
  });

  it('are marked and can be sent again when the gateway has deleted them meanwhile', async () => {
    await studio.choosePhotos(await photos(5));
    const query = '{ photos(first: 5) { nodes { id } } }';
    const { photos: page } = await gateway.client.request<{ photos: { nodes: { id: string }[] } }>(query);
    await gateway.client.delete('deletePhoto', page.nodes[0]!.id);
    await studio.chooseType('Woman');
    await studio.button('Train the model').click();
    await studio.page.getByText('The server no longer has it.').waitFor();
    await studio.button(/^Upload face-\d.jpg again$/).click();
    await studio.page.getByText(/^5 of 5 usable[.]/).waitFor();
    expect(studio.complaints).toEqual([]);
  });

  it('are sent again when asked after the gateway refused', async () => {
    await studio.page.route('**/uploads/**', (route) =>
      route.fulfill({
        status: 404,
        json: { code: 'UPLOAD_URL_EXPIRED', message: 'The upload URL has expired.' },
      }),
    );
    await studio.page.getByLabel('Photos', { exact: true }).setInputFiles(await photos(1));
    await studio.page.getByText('Not uploaded').waitFor();
    await studio.page.unrouteAll();
    // Another page does not have it forgotten.
    await studio.page.getByRole('link', { name: 'Models', exact: true }).click();
    await studio.page.getByText('No models here.').waitFor();
    await studio.page.getByRole('link', { name: 'Create', exact: true }).click();
    await studio.button('Upload face-1.jpg again').click();
    await studio.page.getByText(/^1 of 1 usable[.]/).waitFor();
    expect(await studio.page.getByText('Not uploaded').count()).toBe(0);
  });

  it('that are being uploaded are lost neither by a reload without a question nor by another page', async () => {
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    await studio.page.route('**/uploads/**', async (route) => {
      await released;
      await route.fallback();
    });
    // Browsers ask only on pages that have been used.
    await studio.page.getByRole('heading', { level: 1 }).click();
    await studio.page.getByLabel('Photos', { exact: true }).setInputFiles(await photos(1));
    await studio.page.getByText('1 on the way.').waitFor();
    const asked = studio.page.waitForEvent('dialog');
    await studio.page.evaluate('void setTimeout(() => location.reload())');
    const question = await asked;
    expect(question.type()).toBe('beforeunload');
    await question.dismiss();
    await studio.page.getByRole('link', { name: 'Models', exact: true }).click();
    await studio.page.getByText('No models here.').waitFor();
    await studio.page.getByRole('link', { name: 'Create', exact: true }).click();
    await studio.page.getByRole('heading', { level: 1, name: 'Avatars from your photos' }).waitFor();
    release();
    await studio.page.getByText(/^1 of 1 usable[.]/).waitFor();
    await studio.page.unrouteAll();
    const questions: string[] = [];
    studio.page.on('dialog', (dialog) => {
      questions.push(dialog.type());
      void dialog.accept();
    });
    await studio.page.reload();
    await studio.page.getByText(/^1 of 1 usable[.]/).waitFor();
    expect(questions).toEqual([]);
  });

  it('are there again after a reload at which the server failed once', async () => {
    await studio.choosePhotos(await photos(2));
    let failures = 0;
    await studio.page.route('**/graphql', (route) => {
      if (failures > 0 || !route.request().postData()?.includes('query Photos')) return route.fallback();
      failures++;
      return route.fulfill({
        json: { errors: [{ message: 'Busy.', extensions: { code: 'SERVICE_UNAVAILABLE' } }] },
      });
    });
    await studio.page.reload();
    await studio.page.getByText(/^2 of 2 usable[.]/).waitFor();
    expect(failures).toBe(1);
  });

  it('are no longer sent when their owner has erased everything', async () => {
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    await studio.page.route('**/uploads/**', async (route) => {
      await released;
      await route.fallback();
    });
    await studio.page.getByLabel('Photos', { exact: true }).setInputFiles(await photos(1));
    await studio.page.getByText('1 on the way.').waitFor();
    const ended = studio.page.waitForEvent('requestfailed', (request) => request.url().includes('/uploads/'));
    await studio.page.getByRole('link', { name: 'Account', exact: true }).click();
    await studio.button('Erase my data').click();
    await studio.page.getByLabel('Type DELETE to confirm').fill('DELETE');
    await studio.button('Erase').click();
    await studio.page.getByText('Your receipt:').waitFor();
    await ended;
    release();
    await studio.page.getByRole('link', { name: 'Create', exact: true }).click();
    await studio.page.getByRole('heading', { level: 1, name: 'Avatars from your photos' }).waitFor();
    expect(await studio.page.getByText('on the way.').count()).toBe(0);
  });
});
