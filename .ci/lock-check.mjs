// Fails if a package-lock.json (of the product, the benchmark, the client tests) cannot be installed on every platform and from every registry: a package for another
// platform without an entry (`npm ci` then fails there), a download address, or a version that is not exact.
import { readFileSync } from 'node:fs';

const read = (name) => JSON.parse(readFileSync(new URL(`../${name}`, import.meta.url), 'utf8'));
/** Node's module resolution: beside the package, then upwards. `from` is a key of the lock file, such as `node_modules/a/node_modules/b`. */
const isFound = (packages, name, from) => {
  const place = from === '' ? `node_modules/${name}` : `${from}/node_modules/${name}`;
  if (packages[place]) return true;
  if (from === '') return false;
  return isFound(packages, name, from.slice(0, Math.max(0, from.lastIndexOf('/node_modules/'))));
};

const missingEntries = (packages, place) =>
  Object.keys(packages[place].optionalDependencies ?? {}).filter((name) => !isFound(packages, name, place));

const lockProblems = ({ packages }) =>
  Object.entries(packages).flatMap(([place, entry]) => {
    const isExternal = place !== '' && !entry.link && !entry.inBundle;
    return [
      ...missingEntries(packages, place).map((name) => `${place}@${entry.version} has no entry for ${name}`),
      ...(/^https?:/.test(entry.resolved) ? [`${place} has a download address: remove "resolved"`] : []),
      ...(isExternal && !entry.integrity ? [`${place} has no integrity`] : []),
    ];
  });

const manifestProblems = (manifest) =>
  ['dependencies', 'devDependencies', 'overrides'].flatMap((field) =>
    Object.entries(manifest[field] ?? {})
      .filter(([, version]) => !/^(npm:[\w@/-]+@)?\d+[.]\d+[.]\d+(-[\w.]+)?$/.test(version))
      .map(([name, version]) => `${name} ${version} in ${field} is not an exact version`),
  );

const problems = ['', 'bench/', 'test/clients/'].flatMap((folder) =>
  [
    ...lockProblems(read(`${folder}package-lock.json`)),
    ...manifestProblems(read(`${folder}package.json`)),
  ].map((problem) => `${folder}package-lock.json: ${problem}`),
);

for (const problem of problems) console.error(problem);
console.error(
  problems.length === 0 ? 'The lock files are complete.' : `The lock files have ${problems.length} problems.`,
);
process.exitCode = problems.length === 0 ? 0 : 1;
