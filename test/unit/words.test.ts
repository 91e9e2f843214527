import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(__dirname, '../..');

/** Words that docs/CONTRIBUTING.md ("Language") excludes: metaphors, personification, and terms that no manual uses. */
const excluded = [
  // In quotes, and after "user", it is the Unix user.
  "whoever|(?<![`']|user )nobody(?![`'])(?! in a user)|somebody|anybody",
  'told|tells?',
  'in hand|anew|any more',
  String.raw`doom(?!edMedia\b|ed_media\b)\w*`,
  'lanes?|doors?|beats?|wish(?:es)?|houses?|rooms?',
  'the way through|the whole way|is none|the dead|the living',
];

const pattern = new RegExp(String.raw`(?<![\w-])(?:${excluded.join('|')})(?![\w-])`, 'gi');

const files = [
  'src',
  'test',
  'docs',
  'schema',
  '.ci',
  '.config',
  'bench/lib',
  'bench/scenarios',
  'bench/servers',
]
  .flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)),
  )
  .concat(
    'README.md',
    'CHANGELOG.md',
    'package.json',
    'bench/README.md',
    'bench/bench.mjs',
    join('.github', 'SECURITY.md'),
  )
  // Released migrations do not change.
  .filter((name) => !name.startsWith(join('src', 'database', 'migrations')))
  .filter((name) => !name.includes('node_modules') && !__filename.endsWith(name))
  .filter((name) => /\.([cm]?[jt]s|json|md|graphql)$|^\.ci[\\/][\w-]+$/.test(name));

describe('the language of the project', () => {
  it('is searched in all files', () => {
    expect(files.length).toBeGreaterThan(400);
  });

  it('uses no excluded word', () => {
    const found = files.flatMap((name) =>
      readFileSync(join(root, name), 'utf8')
        .split('\n')
        .flatMap((line, index) =>
          [...line.matchAll(pattern)].map(([word]) => `${name}:${index + 1}: ${word}`),
        ),
    );
    expect(found).toEqual([]);
  });
});
