import { Command, InvalidArgumentError, Option } from 'commander';
import { DemoConnection } from './demo-connection';
import { Demo } from './demo-story';
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

/** `likeness demo <folder>`: the whole way against a running server, as any client could go it. */
export function demoCommand(shell: Shell): Command {
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
    .option('--consent <version>', 'the text that the person on the photos agreed to, where the server asks')
    .option('--wait <minutes>', 'how long the training, and then the generation, may take', readNumber, 90)
    .option('--patience <seconds>', 'how long the server may be away', readNumber, 120)
    .action((folder: string, options: DemoOptions) => run(shell, folder, options));
}

async function run(shell: Shell, folder: string, options: DemoOptions): Promise<void> {
  const { url, token, wait, patience, ...choices } = options;
  const say = (line: string): void => shell.print(`${new Date().toTimeString().slice(0, 8)}  ${line}`);
  const connection = new DemoConnection({ url, token, patienceMs: patience * 1_000, say });
  try {
    await new Demo(connection, { ...choices, folder, waitMs: wait * 60_000 }, say).run();
  } finally {
    await connection.close();
  }
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
