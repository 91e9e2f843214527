import { Command, InvalidArgumentError, Option } from 'commander';
import { Demo } from './demo';
import { DemoConnection } from './demo-connection';
import type { Shell } from './shell';

interface DemoOptions {
  url: string;
  token?: string;
  out: string;
  type: string;
  styles?: string[];
  count: number;
  consent?: string;
  wait: number;
  patience: number;
}

/** `likeness demo <folder>`: runs the full flow against a running server through the public API. */
export function demoCommand(shell: Shell): Command {
  return new Command('demo')
    .description('train a model from a folder of photos on a running server and save the avatars')
    .argument('<folder>', '5 to 30 photos, .jpg or .png')
    .option('--url <url>', 'URL of the server', readUrl, 'http://127.0.0.1:4000')
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

async function run(shell: Shell, folder: string, options: DemoOptions): Promise<void> {
  const { url, token, wait, patience, ...choices } = options;
  const print = (line: string): void => shell.print(`${new Date().toTimeString().slice(0, 8)}  ${line}`);
  const connection = new DemoConnection({ url, token, maxUnavailableMs: patience * 1_000, print });
  try {
    await new Demo(connection, { ...choices, folder, waitMs: wait * 60_000 }, print).run();
  } finally {
    await connection.close();
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
