import { Command, InvalidArgumentError, Option } from 'commander';
import { Refusal, Unavailable } from './demo-answers';
import { DemoConnection } from './demo-connection';
import { DemoStory } from './demo-story';

interface DemoOptions {
  url: string;
  token?: string;
  out: string;
  type: string;
  styles?: string[];
  count: number;
  wait: number;
  patience: number;
}

/** `likeness demo <folder>`: the whole way against a running server, as any client could go it. */
export function demoCommand(): Command {
  return new Command('demo')
    .description('trains a model from a folder of photos on a running server, and writes the avatars')
    .argument('<folder>', '5 to 30 photos, .jpg or .png')
    .option('--url <url>', 'where the server is', readUrl, 'http://127.0.0.1:4000')
    .addOption(
      new Option('--token <token>', 'shows who you are, where the server wants to know').env(
        'LIKENESS_TOKEN',
      ),
    )
    .option('--out <folder>', 'where the avatars go', 'demo-avatars')
    .addOption(
      new Option('--type <type>', 'who or what is on the photos')
        .choices(['MAN', 'WOMAN', 'COUPLE', 'DOG', 'CAT'])
        .default('WOMAN'),
    )
    .option(
      '--styles <styles>',
      'which styles, by comma; the first two that are offered unless given',
      readList,
    )
    .option('--count <number>', 'avatars of each style', readNumber, 2)
    .option('--wait <minutes>', 'how long the training, and then the generation, may take', readNumber, 90)
    .option('--patience <seconds>', 'how long the server may be away', readNumber, 120)
    .action(run);
}

async function run(folder: string, options: DemoOptions): Promise<void> {
  const { url, token, wait, patience, ...wishes } = options;
  const connection = new DemoConnection({ url, token, patienceMs: patience * 1_000, say });
  try {
    await new DemoStory(connection, { ...wishes, folder, waitMs: wait * 60_000 }, say).tell();
  } catch (error) {
    if (!isToldInWords(error)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  } finally {
    await connection.close();
  }
}

/** What went wrong is the server's word, or the folder's, and no bug of ours. */
function isToldInWords(error: unknown): error is Error {
  if (error instanceof Refusal || error instanceof Unavailable) return true;
  return error instanceof Error && 'path' in error && 'code' in error;
}

function say(line: string): void {
  process.stdout.write(`${new Date().toTimeString().slice(0, 8)}  ${line}\n`);
}

function readUrl(text: string): string {
  if (/^https?:\/\//.test(text) && URL.canParse(text)) return text.replace(/\/+$/, '');
  throw new InvalidArgumentError('Write it like http://127.0.0.1:4000.');
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
  throw new InvalidArgumentError('Write a whole number, like 2.');
}
