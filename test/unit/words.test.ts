import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';

const root = resolve(__dirname, '../..');

/** Words that docs/CONTRIBUTING.md ("Language") excludes: metaphors, personification, and terms that no manual uses. */
const excluded = [
  'whoever|nobody|somebody|anybody',
  'told|tells?',
  'in hand|anew|any more',
  String.raw`doom\w*|deeds?|befalls?|hoards?|forsakes?|furnish|fates?|grounds?|strangers?`,
  'lanes?|doors?|beats?|wish(?:es)?|houses?|rooms?',
  'the way through|the whole way|is none|the dead|the living',
];

const pattern = new RegExp(String.raw`(?<!\w)(?:${excluded.join('|')})(?!\w)`, 'gi');

/** Names that are not ours to choose: a deprecated field and its table, and the Unix user without rights. */
const allowed = /doomedMedia|doomed_media|(?<=[`']|user )nobody(?=[`']|\W| in a user)/g;

/** A line with its identifiers as words: `closeRoomsOf` and `close_rooms` as `close rooms`. */
const asWords = (line: string): string =>
  line
    .replace(allowed, '')
    .replace(/(?<=[a-z\d])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/g, ' ')
    .replace(/[_-]/g, ' ');

/** The files in a folder, without those of packages. Links are not followed. */
const filesIn = (folder: string): string[] =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (!entry.isDirectory()) return [path];
    return entry.name === 'node_modules' ? [] : filesIn(path);
  });

const files = ['src', 'test', 'docs', 'schema', '.ci', '.config', '.github', 'bench', 'examples', 'web']
  .flatMap((folder) => filesIn(join(root, folder)).map((path) => relative(root, path)))
  .concat('README.md', 'CHANGELOG.md', 'package.json')
  // Released migrations do not change.
  .filter((name) => !name.startsWith(join('src', 'database', 'migrations')))
  .filter((name) => !/\bresults\b/.test(name) && !__filename.endsWith(name))
  .filter((name) => /\.([cm]?[jt]sx?|css|json|md|graphql|ya?ml|html)$|^\.ci[\\/][\w-]+$/.test(name));

describe('the language of the project', () => {
  it('is searched in all files', () => {
    expect(files.length).toBeGreaterThan(400);
  });

  it('is searched within identifiers', () => {
    const found = [...asWords('openDoor HTTPRooms the_beat backdoor doomedMedia').matchAll(pattern)];
    expect(found.map(([word]) => word)).toEqual(['Door', 'Rooms', 'beat']);
  });

  it('names limits max… and min…, and defaults default…', () => {
    const found = files
      .filter((name) => /\.[cm]?[jt]s$/.test(name))
      .flatMap((name) =>
        readFileSync(join(root, name), 'utf8').match(/\b(?:most|fewest|longest|usual)[A-Z]\w*/g),
      );
    expect(found.filter((name) => name !== null)).toEqual([]);
  });

  it('uses no excluded word', () => {
    const found = files.flatMap((name) =>
      [name, ...readFileSync(join(root, name), 'utf8').split('\n')].flatMap((line, index) =>
        [...asWords(line).matchAll(pattern)].map(([word]) => `${name}:${index}: ${word}`),
      ),
    );
    expect(found).toEqual([]);
  });
});
