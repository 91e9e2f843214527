import { randomBytes } from 'node:crypto';
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Redis } from 'ioredis';
import { withinMs } from '../core/clock';

/** Options of {@link RedisSession}. */
export interface RedisSessionOptions {
  /** `redis://` or `rediss://`. */
  url: string;
  /** The beginning of all keys and channels. */
  prefix: string;
  /** Ends the session, also during connection setup. */
  signal: AbortSignal;
  /** Called with each message of the channel. */
  onMessage: (message: string) => void;
  /** Called whenever the server has answered. */
  onAlive: () => void;
}

/** How long a connection setup and a command may take, and how often the server is asked, in milliseconds. */
const limits = { connectMs: 2_000, commandMs: 1_000, heartbeatMs: 1_000 } as const;

/** How long the key of a session is kept after a check, in milliseconds. */
const keptMs = 60_000;

/**
 * Refused by a server without scripts, without memory, or that only reads, and for a user who may not use all commands of the
 * rate windows, so that such a server is not used. Returns 0 if the key of the session was there.
 */
const check = `
local known = redis.call('HGET', KEYS[1], 'session')
redis.call('HSET', KEYS[1], 'session', '1')
redis.call('PEXPIRE', KEYS[1], ARGV[1])
redis.call('HGETALL', KEYS[1])
return known and 0 or 1`;

/**
 * Two connections to Redis: for commands, and for the messages of one channel. Never reconnects: once it has failed, another
 * one must be opened. A check every second, with a time limit of a second, detects a server that does not answer, and one that
 * has lost its data. Nothing is queued while there is no connection.
 */
export class RedisSession {
  /** Resolves when the session was ended by the signal; otherwise rejects with the reason. */
  readonly ended: Promise<void>;
  private readonly failed: Promise<never>;
  private fail: (error: unknown) => void = () => undefined;
  private heartbeat: NodeJS.Timeout | undefined;
  /** The key by which a loss of data is noticed. */
  private readonly checkKey: string;

  private constructor(
    private readonly options: RedisSessionOptions,
    private readonly commands: Redis,
    private readonly messages: Redis,
  ) {
    this.checkKey = `${options.prefix}:check:${randomBytes(9).toString('base64url')}`;
    this.failed = new Promise<never>((_, reject) => {
      this.fail = (error) => reject(plainError(error, options.url));
    });
    // Callers that await it get the error; this handler prevents an unhandled rejection if there are none.
    this.failed.catch(() => undefined);
    for (const client of [commands, messages]) {
      client.on('error', this.fail);
      client.on('end', () => this.fail(new Error('Redis closed the connection.')));
    }
    this.ended = Promise.race([this.failed, aborted(options.signal)]).finally(() => this.close());
    this.ended.catch(() => undefined);
  }

  /** @throws Error if Redis cannot be used, within 4 s; without the password */
  static async open(options: RedisSessionOptions): Promise<RedisSession> {
    const create = await clientsOf(options.url);
    const session = new RedisSession(options, create(), create());
    try {
      await session.begin();
      return session;
    } catch (error) {
      session.fail(error);
      return session.failed;
    }
  }

  /** The channel whose messages the session receives. */
  get channel(): string {
    return `${this.options.prefix}:wakeups`;
  }

  /**
   * Runs commands.
   * @throws Error if they fail or take more than a second; the session is then ended
   */
  async run<Result>(send: (redis: Redis) => Promise<Result>): Promise<Result> {
    try {
      return await within(limits.commandMs, send(this.commands));
    } catch (error) {
      this.fail(error);
      return this.failed;
    }
  }

  private async begin(): Promise<void> {
    const { commands, messages, options, channel } = this;
    await within(limits.connectMs, Promise.all([commands.connect(), messages.connect()]));
    messages.on('message', (_, message) => options.onMessage(message));
    await within(limits.commandMs, messages.subscribe(channel));
    await this.verify();
    this.heartbeat = setInterval(() => void this.verifyAgain().catch(this.fail), limits.heartbeatMs);
  }

  /** Both connections must answer: either may be lost alone. @returns whether the key of the session was there */
  private async verify(): Promise<boolean> {
    const { commands, messages, options, checkKey } = this;
    const asked = [commands.eval(check, 1, checkKey, keptMs), messages.ping()];
    const [added] = await within(limits.commandMs, Promise.all(asked));
    options.onAlive();
    return added === 0;
  }

  /** What others have stored may be lost without a loss of the connection. It is stored again in another session. */
  private async verifyAgain(): Promise<void> {
    if (!(await this.verify())) throw new Error('Redis has lost its data.');
  }

  /** Commands in flight are rejected. */
  private close(): void {
    clearInterval(this.heartbeat);
    this.commands.disconnect();
    this.messages.disconnect();
  }
}

/** Creates clients of a server. */
async function clientsOf(url: string): Promise<() => Redis> {
  // Loaded only where it is used, since it would delay the start.
  const { AbstractConnector, Redis: Client } = await import('ioredis');
  const { protocol, hostname, port, username, password, pathname } = new URL(url);
  const address = { host: hostname.replace(/^\[|\]$/g, '') || '127.0.0.1', port: Number(port || 6_379) };
  const isSecure = protocol === 'rediss:';

  /** ioredis handles only the first error of a socket; a second one would end the process. */
  class Connector extends AbstractConnector {
    constructor() {
      super(0);
    }

    override connect(): Promise<Socket> {
      this.connecting = true;
      const socket = isSecure ? connectTls({ ...address, ...serverName(address.host) }) : connect(address);
      socket.on('error', () => undefined);
      this.stream = socket;
      return Promise.resolve(socket);
    }
  }

  return () =>
    new Client({
      Connector,
      ...(username !== '' && { username: decodeURIComponent(username) }),
      ...(password !== '' && { password: decodeURIComponent(password) }),
      db: Number(pathname.slice(1) || 0),
      ...(isSecure && { tls: {} }),
      connectTimeout: limits.connectMs,
      ...{ lazyConnect: true, enableOfflineQueue: false, enableReadyCheck: false, autoResubscribe: false },
      ...{ retryStrategy: () => null, disableClientInfo: true },
    });
}

/** Servers of several names choose their certificate by it. */
const serverName = (host: string): { servername?: string } => (isIP(host) ? {} : { servername: host });

/** An error without what ioredis adds to it: the arguments of the command, among them the password. */
function plainError(error: unknown, url: string): Error {
  const message = error instanceof Error ? error.message || error.name : String(error);
  const { password } = new URL(url);
  const secrets = [password, decodeURIComponent(password)].filter((secret) => secret !== '');
  return new Error(secrets.reduce((text, secret) => text.replaceAll(secret, '…'), message));
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function within<Result>(ms: number, work: Promise<Result>): Promise<Result> {
  return withinMs(ms, work, () => new Error(`Redis did not answer within ${ms / 1_000} s.`));
}
