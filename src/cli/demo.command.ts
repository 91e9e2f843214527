import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { AvatarType, GenerationProgressEvent, TrainingProgressEvent } from '../client/api';
import type { LikenessClient } from '../client/client';
import { createNamedFolder } from './command-files';
import {
  createDemoClient,
  DemoError,
  downloadImage,
  untilFirstAnswer,
  withAdvice,
  type DemoServer,
} from './demo-client';
import {
  finishedAvatars,
  generation,
  offeredStyles,
  training,
  type DemoAvatar,
  type DemoJobKind,
} from './demo-operations';
import { readFolder, uploadPhotos, type PhotoFile } from './demo-photos';
import { printable } from './printout';
import type { Shell } from './shell';

interface DemoOptions {
  url: string;
  token?: string;
  /** The folder for the avatars. */
  out: string;
  /** The subject of the photos. */
  type: AvatarType;
  /** Default: the first two styles of the server. */
  styles?: readonly string[];
  /** Number of avatars per style. */
  count: number;
  /** The version of the consent text, if the server requires consent. */
  consent?: string;
  /** Time limit of the training and of the generation, in minutes. */
  wait: number;
  /** How long to retry while the server is unavailable, in seconds. */
  patience: number;
}

/** `likeness demo <folder>`: runs the full flow against a running server through the public API. */
export function demoCommand(shell: Shell): Command {
  return new Command('demo')
    .description('train a model from a folder of photos on a running server and save the avatars')
    .argument('<folder>', '5 to 30 photos: .jpg, .png, .webp, .avif or .heic')
    .option('--url <url>', 'URL of the server', readUrl, serverUrl(shell.environment))
    .addOption(
      new Option('--token <token>', 'token or API key, if the server requires authentication').env(
        'LIKENESS_TOKEN',
      ),
    )
    .option('--out <folder>', 'folder for the avatars', 'demo-avatars')
    .addOption(
      new Option('--type <type>', 'subject of the photos')
        .choices(['MAN', 'WOMAN', 'COUPLE', 'DOG', 'CAT'])
        .default('WOMAN'),
    )
    .option('--styles <styles>', 'comma-separated styles (default: the first two of the server)', readList)
    .option('--count <number>', 'avatars per style', readNumber, 2)
    .option('--consent <version>', 'version of the consent text, if the server requires consent')
    .option('--wait <minutes>', 'time limit of the training and of the generation', readNumber, 90)
    .option('--patience <seconds>', 'how long to retry while the server is unavailable', readNumber, 120)
    .action((folder: string, options: DemoOptions) => run(shell, folder, options));
}

/** The address that a server with these settings has: by default that of `npm start`. */
function serverUrl({ PUBLIC_URL = '', HOST, PORT = '' }: Shell['environment']): string {
  if (/^https?:\/\//.test(PUBLIC_URL) && URL.canParse(PUBLIC_URL)) return PUBLIC_URL.replace(/\/+$/, '');
  return `http://${reachable(HOST)}:${PORT.trim() || '4000'}`;
}

/** A host of this machine for a URL; unspecified addresses are replaced by loopback. */
function reachable(host = ''): string {
  if (['', '0.0.0.0', '::'].includes(host)) return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}

async function run(shell: Shell, folder: string, options: DemoOptions): Promise<void> {
  const { url, token, patience } = options;
  const print = (line: string): void =>
    shell.print(`${new Date().toTimeString().slice(0, 8)}  ${printable(line)}`);
  const server = { url, token, maxUnavailableMs: patience * 1_000, print };
  const client = createDemoClient(server);
  print(`Using the server at ${url}`);
  try {
    await new Demo(server, client, options).run(folder);
  } finally {
    await client.close();
  }
}

function readUrl(text: string): string {
  if (/^https?:\/\//.test(text) && URL.canParse(text)) return text.replace(/\/+$/, '');
  throw new InvalidArgumentError('Use a URL like http://127.0.0.1:4000.');
}

function readList(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

function readNumber(text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number > 0) return number;
  throw new InvalidArgumentError('Use a whole number, for example 2.');
}

type JobEvent = TrainingProgressEvent | GenerationProgressEvent;

const ends: readonly string[] = ['READY', 'COMPLETED', 'PARTIAL', 'FAILED', 'CANCELLED'];

/** Creates a folder of avatars from a folder of photos. */
class Demo {
  constructor(
    private readonly server: DemoServer,
    private readonly client: LikenessClient,
    private readonly options: DemoOptions,
  ) {}

  private get print(): (line: string) => void {
    return this.server.print;
  }

  /** @throws an error with a message for the user */
  async run(folder: string): Promise<void> {
    const files = await readFolder(folder, this.print);
    // Checked first, so that an unknown style and a folder that cannot be created are reported before the training is paid.
    const styles = await this.chooseStyles();
    await createNamedFolder(this.options.out);
    await withAdvice(this.server, () => this.create(folder, files, styles));
  }

  private async create(
    folder: string,
    files: readonly PhotoFile[],
    styles: readonly string[],
  ): Promise<void> {
    this.print(`Uploading the photos of ${folder}`);
    const photoIds = await uploadPhotos(this.client, files, this.print);
    const modelId = await this.train(photoIds);
    const avatars = await this.generate(modelId, styles);
    await this.write(avatars);
    const ordered = styles.length * this.options.count;
    if (avatars.length < ordered) {
      throw new DemoError(
        `The generation has ended as PARTIAL: ${avatars.length} of ${ordered} avatars were written.`,
      );
    }
    this.print(`Done: ${avatars.length} avatars are in ${this.options.out}`);
  }

  private async chooseStyles(): Promise<readonly string[]> {
    const server = untilFirstAnswer(this.server);
    const client = createDemoClient(server);
    const { styles } = await withAdvice(server, () => client.query(offeredStyles, {}));
    await client.close();
    const offered = styles.map(({ key }) => key);
    const wanted = this.options.styles ?? offered.slice(0, 2);
    const unknown = wanted.find((style) => !offered.includes(style));
    if (unknown === undefined) return wanted;
    throw new DemoError(`Unknown style "${unknown}". The styles are ${offered.join(', ')}.`);
  }

  private async train(photoIds: readonly string[]): Promise<string> {
    const { type, consent } = this.options;
    const agreed = consent === undefined ? undefined : { version: consent };
    const name = `Demo of ${photoIds.length} photos`;
    const photos = photoIds.map((photoId) => ({ photoId }));
    const { id } = await this.client.train({ name, type, photos, consent: agreed });
    this.print(`Training ${id} from ${photoIds.length} photos`);
    await this.followJob(training, id);
    return id;
  }

  private async generate(modelId: string, styles: readonly string[]): Promise<DemoAvatar[]> {
    const { count } = this.options;
    const prompts = styles.map((style) => ({ style, count }));
    const { id } = await this.client.generate({ modelId, prompts });
    this.print(`Generating ${id}: ${count} of each of ${styles.join(', ')}`);
    const over = new AbortController();
    try {
      // Both subscriptions end with the generation; a failure of one ends the other.
      await Promise.all([this.followJob(generation, id), this.followAvatars(id, over.signal)]);
    } finally {
      over.abort();
    }
    const { generation: finished } = await this.client.query(finishedAvatars, { id });
    return finished.avatars;
  }

  /** Prints each change of a job until it has succeeded. */
  private async followJob(kind: DemoJobKind, id: string): Promise<void> {
    const { wait } = this.options;
    const signal = AbortSignal.timeout(wait * 60_000);
    const retryForMs = this.server.maxUnavailableMs;
    let latest: JobEvent | null = null;
    for await (const job of this.client.watch(id, { signal, retryForMs })) {
      latest = job;
      this.print(`  ${kind.noun.padEnd(11)}${inWords(job)}`);
      if (job.status === 'UNCERTAIN') this.print(uncertain(kind.retry));
    }
    if (!latest || !kind.success.includes(latest.status)) throw unsuccessful(kind.noun, id, latest, wait);
  }

  private async followAvatars(id: string, signal: AbortSignal): Promise<void> {
    const retryForMs = this.server.maxUnavailableMs;
    for await (const { avatar } of this.client.watch({ avatarsOf: id }, { signal, retryForMs })) {
      this.print(`  avatar     ${avatar.style}, ${avatar.width}×${avatar.height}: ${avatar.id}`);
    }
  }

  /** Downloads the avatars to the output folder. */
  private async write(avatars: readonly DemoAvatar[]): Promise<void> {
    const { out } = this.options;
    for (const [index, avatar] of avatars.entries()) {
      const path = join(out, fileNameOf(avatar, index + 1));
      const bytes = await downloadImage(avatar.url, avatar, this.server.maxUnavailableMs);
      await writeFile(path, bytes);
      this.print(`  written    ${path}, ${Math.round(bytes.length / 1_000)} kB`);
    }
  }
}

function unsuccessful(noun: string, id: string, job: JobEvent | null, waitMinutes: number): DemoError {
  if (job && ends.includes(job.status))
    return new DemoError(`The ${noun} has ended as ${job.status}. ${job.failure?.message ?? ''}`);
  const status = job?.status ?? 'QUEUED';
  return new DemoError(
    `The ${noun} is still ${status} after ${waitMinutes} minutes. It continues without the demo; check ${id} later.`,
  );
}

function inWords({ status, progress, estimatedReadyAt }: JobEvent): string {
  const words = `${String(progress).padStart(3)} %  ${status}`;
  if (estimatedReadyAt === null) return words;
  const seconds = Math.max(0, Math.round((Date.parse(estimatedReadyAt) - Date.now()) / 1_000));
  return `${words}, about ${seconds} s left`;
}

/** Explains the status UNCERTAIN. */
function uncertain(retry: string): string {
  return `The paid call was interrupted and is not repeated automatically. Its outcome is determined within the grace period (UNCERTAIN_GRACE). To retry immediately, use ${retry}, which is paid again.`;
}

/** The file name of an avatar; the server's values must not lead to another folder. */
function fileNameOf({ style, contentType }: DemoAvatar, number: number): string {
  const extension = /^image\/([a-z]+)$/.exec(contentType)?.[1]?.replace('jpeg', 'jpg');
  if (extension === undefined || !/^[\w-]+$/.test(style)) {
    throw new DemoError(`The avatar "${style}" of type ${contentType} cannot be written.`);
  }
  return `${number}-${style}.${extension}`;
}
