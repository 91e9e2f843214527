import { createGuard } from '../../src/upstream/guard';
import { HttpExchange } from '../../src/upstream/http-exchange';
import { createResolver } from '../../src/upstream/name-resolution';
import { WebhookSecrets } from '../../src/webhooks/webhook-secrets';
import { WebhookSender, type WebhookTarget } from '../../src/webhooks/webhook-sender';
import { WebhookReceiver } from '../support/webhook-receiver';

const secrets = new WebhookSecrets(['a signing secret of the tests, 32 bytes']);
/** The database's clock, ten minutes ahead of that of this machine. */
const clock = { nowMs: () => Date.now() + 600_000 };
const message = { id: 'delivery_1', body: '{"type":"ping","timestamp":"","data":{"id":"1"}}' };

let receiver: WebhookReceiver;

beforeEach(async () => {
  receiver = await WebhookReceiver.start();
});
afterEach(() => receiver.stop());

/** A target at a name, on the port of the receiver. */
function target(host: string): WebhookTarget {
  const url = new URL(receiver.url);
  url.hostname = host;
  return {
    ...{ id: 'a', owner: 'anna', url: url.href },
    secret: secrets.encrypt(secrets.create(), 'a'),
    ...{ oldSecret: null, oldSecretExpiresAt: null },
  };
}

/** A sender that resolves names to the given addresses, one after the other. */
function senderTo(allow: string[], ...addresses: string[]): WebhookSender {
  const resolve = createResolver(() => {
    const address = addresses.length > 1 ? addresses.shift()! : addresses[0]!;
    return Promise.resolve([{ address, family: 4 }]);
  });
  return new WebhookSender(new HttpExchange(1), createGuard({ allow, resolve }), secrets, clock);
}

const send = (sender: WebhookSender, host: string): ReturnType<WebhookSender['send']> =>
  sender.send(target(host), message, 5_000, new AbortController().signal);

describe('a webhook', () => {
  it('is sent to the address that was checked', async () => {
    const { port } = new URL(receiver.url);
    const sender = senderTo([`hooks.example.com:${port}`], '127.0.0.1');
    expect(await send(sender, 'hooks.example.com')).toMatchObject({ outcome: 'delivered' });
    expect(receiver.received).toHaveLength(1);
  });

  it('has the time of the database, since receivers refuse that of a machine whose clock is wrong', async () => {
    const { port } = new URL(receiver.url);
    const sender = senderTo([`hooks.example.com:${port}`], '127.0.0.1');
    const sent = await send(sender, 'hooks.example.com');
    const sentMs = Number(receiver.received[0]!.headers['webhook-timestamp']) * 1_000;
    expect(Math.abs(sentMs - clock.nowMs())).toBeLessThan(300_000);
    expect('attempt' in sent && sent.attempt.startedAt.slice(0, 16)).toBe(
      new Date(sentMs).toISOString().slice(0, 16),
    );
  });

  it.each([
    ['a metadata service', '169.254.169.254'],
    ['this machine', '127.0.0.1'],
    ['a private network', '10.1.2.3'],
  ])('is not sent to a public name that leads to %s', async (_, address) => {
    // The guard allows the port, but not the address.
    const guard = createGuard({
      allow: [],
      ports: [Number(new URL(receiver.url).port)],
      resolve: createResolver(() => Promise.resolve([{ address, family: 4 }])),
    });
    const sender = new WebhookSender(new HttpExchange(1), { ...guard, isListed: () => true }, secrets, clock);
    expect(await send(sender, 'hooks.example.com')).toMatchObject({
      outcome: 'failed',
      attempt: { httpStatus: null, excerpt: 'The endpoint could not be reached.' },
    });
    expect(receiver.received).toEqual([]);
  });

  it('is refused if its URL is no longer allowed, without a lookup', async () => {
    const sender = senderTo([], '127.0.0.1');
    expect(await send(sender, '127.0.0.1')).toMatchObject({
      outcome: 'failed',
      attempt: { httpStatus: null, excerpt: 'The address cannot be used.' },
    });
    expect(receiver.received).toEqual([]);
  });

  it('has no attempt if it is aborted', async () => {
    const stop = new AbortController();
    const { port } = new URL(receiver.url);
    const sender = senderTo([`hooks.example.com:${port}`], '127.0.0.1');
    receiver.answer = () => stop.abort();
    expect(await sender.send(target('hooks.example.com'), message, 5_000, stop.signal)).toEqual({
      outcome: 'deferred',
    });
  });
});

describe('the secrets of webhooks', () => {
  it('are valid for their webhook only, and cannot be changed', () => {
    const secret = secrets.create();
    const encrypted = secrets.encrypt(secret, 'a');
    expect(secrets.decrypt(encrypted, 'a')).toBe(secret);
    expect(secrets.decrypt(encrypted, 'b')).toBeNull();
    expect(secrets.decrypt(`${encrypted.slice(0, -2)}AA`, 'a')).toBeNull();
    expect(secrets.encrypt(secret, 'a')).not.toBe(encrypted);
    expect(new WebhookSecrets(['another signing secret, 32 bytes long']).decrypt(encrypted, 'a')).toBeNull();
  });
});
