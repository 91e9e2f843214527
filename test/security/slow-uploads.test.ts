import { mkdir, readdir, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Slot, jwtSettings, Client } from '../support/client';
import { TestGateway } from '../support/gateway';
import { facePhoto } from '../support/pictures';
import { RawConnection } from '../support/raw-client';
import { until } from '../support/until';

/** 8 kB per second with a grace period of a second; four concurrent uploads, three per owner. */
const settings = {
  ...jwtSettings,
  MAX_UPLOADS: '4',
  MAX_UPLOADS_PER_OWNER: '3',
  MIN_TRANSFER_RATE: '8kB',
  TRANSFER_GRACE: '2s',
  METRICS_PORT: '0',
};

let gateway: TestGateway;
let photo: Buffer;
const connections: RawConnection[] = [];

beforeAll(async () => {
  gateway = await TestGateway.start(settings);
  photo = await facePhoto(1);
});

afterEach(async () => {
  for (const connection of connections.splice(0)) connection.socket.destroy();
});

afterAll(() => gateway.stop());

/** Starts an upload without sending its body. */
async function begin({ uploadUrl }: Slot, byteSize = 1_000_000): Promise<RawConnection> {
  const url = new URL(uploadUrl);
  const connection = await RawConnection.open(Number(url.port));
  connections.push(connection);
  connection.socket.write(
    `PUT ${url.pathname}${url.search} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${byteSize}\r\nExpect: 100-continue\r\n\r\n`,
  );
  await until(async () => connection.text !== '');
  return connection;
}

/** Sends 16 kB per second: more than the minimum, and less than the rate that protects an upload at full capacity. */
function trickle(connection: RawConnection): void {
  const timer = setInterval(() => connection.socket.write(Buffer.alloc(1_600)), 100);
  connection.socket.on('close', () => clearInterval(timer));
}

const put = async ({ uploadUrl }: Slot, bytes = photo): Promise<{ status: number; code?: string }> => {
  const response = await fetch(uploadUrl, { method: 'PUT', body: new Uint8Array(bytes) });
  const { code } = (await response.json()) as { code?: string };
  return { status: response.status, code };
};

/** The number of uploads with a file in this process. */
async function spooled(): Promise<number> {
  const links = await readdir('/proc/self/fd');
  const targets = await Promise.all(links.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')));
  return targets.filter((target) => target.startsWith(join(gateway.dataDir, 'uploads'))).length;
}

/** The value of a metric by its name and labels. */
async function metric(name: string): Promise<number> {
  const lines = (await (await fetch(`${gateway.metricsUrl}/metrics`)).text()).split('\n');
  return Number(lines.find((line) => line.startsWith(`${name} `))?.slice(name.length));
}

/** Bytes in referenced buffers. */
function bufferedBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().arrayBuffers;
}

describe('slow uploads', () => {
  it('of one owner leave capacity for others, and its next one waits', async () => {
    const [anna, bob] = await Promise.all([Client.of(gateway, 'anna'), Client.of(gateway, 'bob')]);
    const slots = await anna.slots(4);
    for (const slot of slots.slice(0, 3)) {
      expect((await begin(slot)).text).toMatch(/^HTTP\/1.1 100 Continue/);
    }
    const waiting = put(slots[3]!);
    await until(async () => (await metric('likeness_uploads{state="waiting"}')) === 1);
    expect(await metric('likeness_uploads{state="running"}')).toBe(3);
    // Two of bob's, one after the other: he has the last slot.
    for (const slot of await bob.slots(2)) expect(await put(slot)).toMatchObject({ status: 201 });
    expect(await Promise.race([waiting, Promise.resolve('waits')])).toBe('waits');
    connections[0]!.socket.destroy();
    expect(await waiting).toMatchObject({ status: 201 });
    expect(await metric('likeness_uploads{state="waiting"}')).toBe(0);
    expect(await metric('likeness_upload_waits_total{outcome="started"}')).toBe(1);
    expect(await metric('likeness_upload_waits_total{outcome="refused"}')).toBe(0);
  });

  it('below the minimum rate end with TIMEOUT, and can be retried', async () => {
    const carl = await Client.of(gateway, 'carl');
    const [slot] = await carl.slots(1);
    const connection = await begin(slot!);
    connection.socket.write(Buffer.alloc(10_000));
    await until(async () => connection.text.includes('503 Service Unavailable'));
    expect(connection.text).toContain('"code":"TIMEOUT"');
    await until(async () => (await spooled()) === 0);
    expect(await put(slot!)).toMatchObject({ status: 201 });
  });

  it('give way to another owner at full capacity', async () => {
    const [dora, emil] = await Promise.all([Client.of(gateway, 'dora'), Client.of(gateway, 'emil')]);
    const slow = [...(await dora.slots(3)), ...(await emil.slots(1))];
    for (const slot of slow) trickle(await begin(slot));
    const frida = await Client.of(gateway, 'frida');
    const [slot] = await frida.slots(1);
    expect(await put(slot!)).toMatchObject({ status: 201 });
    const displaced = connections.filter(({ text }) => text.includes('this upload was the slowest'));
    expect(displaced).toHaveLength(1);
    expect(connections.indexOf(displaced[0]!)).toBeLessThan(3);
  });

  it('block a second upload to the same URL until they end', async () => {
    const gerd = await Client.of(gateway, 'gerd');
    const [slot] = await gerd.slots(1);
    const connection = await begin(slot!, photo.length);
    const refused = await fetch(slot!.uploadUrl, { method: 'PUT', body: new Uint8Array(photo) });
    expect(refused.status).toBe(409);
    expect(refused.headers.get('retry-after')).toBe('5');
    expect(await refused.json()).toMatchObject({ code: 'UPLOAD_IN_PROGRESS' });
    connection.socket.write(photo);
    await until(async () => connection.text.includes('201 Created'));
    expect(await put(slot!)).toMatchObject({ status: 200 });
  });

  it('use no memory and leave no named file on the disk', async () => {
    const hanna = await Client.of(gateway, 'hanna');
    const slots = await hanna.slots(3);
    const piece = Buffer.alloc(1_000_000);
    const before = bufferedBytes();
    const uploads = await Promise.all(slots.map((slot) => begin(slot, 24_000_000)));
    for (let count = 0; count < 23; count += 1) {
      await Promise.all(uploads.map(({ socket }) => new Promise((done) => socket.write(piece, done))));
    }
    expect(await spooled()).toBe(3);
    expect(await readdir(join(gateway.dataDir, 'uploads'))).toEqual([]);
    // Of 69 MB sent; the last bytes read may not be written yet.
    await until(async () => bufferedBytes() - before < 10_000_000);
    for (const { socket } of uploads) socket.write(piece);
    await until(async () => uploads.every(({ text }) => text.includes('UNSUPPORTED_TYPE')));
    expect(await spooled()).toBe(0);
  });
});

describe('an upload slot', () => {
  it('accepts ten unusable photos, and then no more', async () => {
    const ida = await Client.of(gateway, 'ida');
    const [slot] = await ida.slots(1);
    for (let tries = 0; tries < 10; tries += 1) {
      expect(await put(slot!, Buffer.from('no picture'))).toMatchObject({ status: 415 });
    }
    expect(await put(slot!)).toEqual({ status: 410, code: 'UPLOAD_URL_EXPIRED' });
  });
});

it('refuses uploads that wait for a slot when the process stops', async () => {
  const jana = await Client.of(gateway, 'jana');
  const slots = await jana.slots(4);
  for (const slot of slots.slice(0, 3)) trickle(await begin(slot));
  // The first of two at the same URL waits.
  const both = [put(slots[3]!), put(slots[3]!)];
  expect(await Promise.race(both)).toEqual({ status: 409, code: 'UPLOAD_IN_PROGRESS' });
  const stopping = gateway.restart();
  const answers = await Promise.all(both);
  expect(answers.map(({ status }) => status).sort()).toEqual([409, 503]);
  expect(answers.map(({ code }) => code)).toContain('SERVICE_UNAVAILABLE');
  for (const { socket } of connections) socket.destroy();
  await stopping;
});

it('removes files of earlier processes from the upload directory at the start', async () => {
  const folder = join(gateway.dataDir, 'uploads');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'left'), '');
  await gateway.restart();
  expect(await readdir(folder)).toEqual([]);
});
