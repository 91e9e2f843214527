import { TcpProxy } from './servers';

/**
 * A proxy between a gateway and PostgreSQL that records the statements as the database receives them,
 * regardless of the library that sends them.
 */
export class StatementWatch {
  /** The statements that were prepared under a name. */
  readonly named = new Set<string>();
  private statements: string[] = [];
  private parsed: string[] = [];
  private readonly proxy: TcpProxy;

  private constructor(databaseUrl: string) {
    this.proxy = new TcpProxy(new URL(databaseUrl), () => {
      const reader = new MessageReader(
        (text) => this.statements.push(text),
        (text, name) => {
          this.parsed.push(text);
          if (name !== '') this.named.add(text);
        },
      );
      return (chunk) => reader.read(chunk);
    });
  }

  /** @param databaseUrl - the target of the proxy */
  static async start(databaseUrl: string): Promise<StatementWatch> {
    const watch = new StatementWatch(databaseUrl);
    await watch.proxy.open();
    return watch;
  }

  /** The database URL through the proxy. */
  get url(): string {
    return this.proxy.url;
  }

  /** The statements during `work`, without those that a gateway repeats every few seconds. */
  async during(work: () => Promise<unknown>): Promise<string[]> {
    this.statements = [];
    await work();
    return this.statements.filter((text) => text !== 'SELECT 1' && !text.includes('photo_servers'));
  }

  /** All statements since {@link during} was called last, or since the start. */
  get received(): readonly string[] {
    return this.statements;
  }

  /** The statements that the database parses during `work`, and does not run as prepared before. */
  async parsedDuring(work: () => Promise<unknown>): Promise<string[]> {
    this.parsed = [];
    await work();
    return this.parsed;
  }

  /** Keeps the connections open but transfers no data, as for a suspended database, until {@link disconnect}. */
  silence(): void {
    this.proxy.silence();
  }

  /** Closes all connections during `work`, and refuses new ones. */
  async interrupt(work: () => Promise<unknown>): Promise<void> {
    await this.proxy.close();
    await work();
    await this.proxy.open();
  }

  /** Closes all connections of the gateway; new ones work. */
  async disconnect(): Promise<void> {
    await this.proxy.close();
    await this.proxy.open();
  }

  stop(): Promise<void> {
    return this.proxy.close();
  }
}

/** The format of PostgreSQL messages: a letter, the length including itself, the content. The first one has no letter. */
class MessageReader {
  private rest = Buffer.alloc(0);
  private isFirst = true;
  private readonly parsed = new Map<string, string>();

  constructor(
    private readonly onStatement: (text: string) => void,
    private readonly onParsed: (text: string, name: string) => void,
  ) {}

  read(chunk: Buffer): void {
    this.rest = Buffer.concat([this.rest, chunk]);
    for (;;) {
      const letters = this.isFirst ? 0 : 1;
      if (this.rest.length < letters + 4) return;
      const end = letters + this.rest.readInt32BE(letters);
      if (this.rest.length < end) return;
      const message = this.rest.subarray(0, end);
      this.rest = this.rest.subarray(end);
      if (!this.isFirst) this.take(message);
      this.isFirst = false;
    }
  }

  /** Q is a simple query; P parses a statement, after its name; B runs it, by its name after that of a portal. */
  private take(message: Buffer): void {
    const letter = String.fromCharCode(message[0]!);
    const [first = '', second = ''] = message.toString('utf8', 5).split('\0');
    if (letter === 'Q') this.onStatement(first);
    if (letter === 'P') {
      this.parsed.set(first, second);
      this.onParsed(second, first);
    }
    if (letter === 'B') this.onStatement(this.parsed.get(second) ?? '');
  }
}
