// Runs a built program, `node .config/run.cjs main.js`; builds first if `npm ci --ignore-scripts` did not.
const { execSync } = require('node:child_process');
const { existsSync } = require('node:fs');
const { enableCompileCache } = require('node:module');
const { resolve } = require('node:path');

const project = resolve(__dirname, '..');
const [program] = process.argv.splice(2, 1);
const path = resolve(project, 'dist', program);
if (program === 'main.js' && process.stdout.isTTY) console.log('Starting Likeness …');
if (!existsSync(path)) {
  console.error('Building, since dist/ is missing.');
  execSync('npm run --silent build', { cwd: project, stdio: ['ignore', 'inherit', 'inherit'] });
}
// From Node 22.8 on. Without effect if the folder cannot be written.
enableCompileCache?.(resolve(project, 'node_modules/.cache/likeness'));
require(path);
