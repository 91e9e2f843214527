// Fails if package-lock.json cannot be installed on every platform and from every registry: a package for another
// platform without an entry (`npm ci` then fails there), a download address, or a version that is not exact.
import { readFileSync } from 'node:fs';

const read = (name) => JSON.parse(readFileSync(new URL(`../${name}`, import.meta.url), 'utf8'));
const { packages } = read('package-lock.json');
const manifest = read('package.json');

/** Node's module resolution: beside the package, then upwards. `from` is a key of the lock file, such as `node_modules/a/node_modules/b`. */
const isFound = (name, from) => {
  const place = from === '' ? `node_modules/${name}` : `${from}/node_modules/${name}`;
  if (packages[place]) return true;
  if (from === '') return false;
  return isFound(name, from.slice(0, Math.max(0, from.lastIndexOf('/node_modules/'))));
};

const problems = [];
for (const [place, entry] of Object.entries(packages)) {
  const missing = Object.keys(entry.optionalDependencies ?? {}).filter((name) => !isFound(name, place));
  if (missing.length > 0) problems.push(`${place}@${entry.version} has no entry for ${missing.join(', ')}`);
  if (/^https?:/.test(entry.resolved ?? ''))
    problems.push(`${place} has a download address: remove "resolved"`);
  if (place !== '' && !entry.link && !entry.integrity && !entry.inBundle)
    problems.push(`${place} has no integrity`);
}
for (const field of ['dependencies', 'devDependencies', 'overrides']) {
  for (const [name, version] of Object.entries(manifest[field] ?? {})) {
    if (!/^\d+[.]\d+[.]\d+(-[\w.]+)?$/.test(version))
      problems.push(`${name} ${version} in ${field} is not an exact version`);
  }
}

for (const problem of problems) console.error(problem);
console.error(
  problems.length === 0 ? 'The lock file is complete.' : `The lock file has ${problems.length} problems.`,
);
process.exitCode = problems.length === 0 ? 0 : 1;
