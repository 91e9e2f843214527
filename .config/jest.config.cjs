const { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } = require('node:fs');
const { join, resolve } = require('node:path');
const { long } = require('./test-sequencer.cjs');

const rootDir = resolve(__dirname, '..');

// As in src/sandbox/picture.ts: tests have a copy of process.env, which Fontconfig does not see.
process.env.FONTCONFIG_FILE = resolve(rootDir, 'src/sandbox/font/fonts.conf');
// The AWS SDK says on Node 20 that its versions from 2027 on need 22.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true';

const swc = [
  '@swc/jest',
  {
    jsc: {
      parser: { syntax: 'typescript', decorators: true },
      transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
      target: 'es2023',
      keepClassNames: true,
    },
    module: { type: 'commonjs' },
    sourceMaps: 'inline',
  },
];

/** One project per suite; `npm test` runs those that need only Node, `.ci/run` runs all. */
const suite = (displayName, extra = {}) => ({
  displayName,
  rootDir,
  testEnvironment: 'node',
  testMatch: [`<rootDir>/test/${displayName}/**/*.test.ts`],
  setupFiles: ['reflect-metadata'],
  transform: { '^.+\\.[cm]?tsx?$': swc, 'node_modules/(jose|auto-bind)/.+\\.js$': swc },
  transformIgnorePatterns: ['node_modules/(?!(jose|auto-bind)/)'],
  ...extra,
});

const withDatabase = {
  globalSetup: '<rootDir>/test/support/global-setup.ts',
  globalTeardown: '<rootDir>/test/support/global-teardown.ts',
};

/** For suites that start the built gateway as processes. */
const withProcesses = { ...withDatabase, globalSetup: '<rootDir>/test/support/faults-setup.ts' };

/** Files of test/api that are the same with every engine and through a pooler: forms, transports, and what has no jobs. One has its own pooler. */
const withoutEngine =
  /^(capabilities|deprecated-uses|examples|graphi|graphql-over|http-|job-fields|media-route|mutation-forms|photo-graphql|provenance|refusals|sse-|statements|studio|style-|transports|upload-route|websocket)/;

/**
 * Groups of test files, each of which Jest runs as one file: loading the modules takes longer than the tests of most files.
 * Long files stay alone. A run of files that the command line names uses no groups.
 */
const groupsOf = (name, count) => {
  if (process.argv.some((argument) => /^test\/|\.test\.ts$/.test(argument))) return {};
  const groups = Array.from({ length: count }, () => ({ files: [], size: 0 }));
  const files = readdirSync(join(rootDir, 'test', name))
    .filter((file) => file.endsWith('.test.ts'))
    .filter((file) => process.env.TEST_ENGINE === undefined || !withoutEngine.test(file))
    .map((file) => ({ file, size: statSync(join(rootDir, 'test', name, file)).size }));
  const isLong = ({ file }) => long.includes(`${name}/${file.replace(/\.test\.ts$/, '')}`);
  const grouped = files.filter((one) => !isLong(one));
  for (const { file, size } of grouped.sort((a, b) => b.size - a.size || (a.file < b.file ? -1 : 1))) {
    const smallest = groups.reduce((one, other) => (other.size < one.size ? other : one));
    smallest.files.push(file);
    smallest.size += size;
  }
  const folder = join(rootDir, 'dist/test-groups', process.env.TEST_ENGINE ?? 'all', name);
  mkdirSync(folder, { recursive: true });
  groups.forEach((group, index) => {
    const parts = group.files.map((file) => {
      const path = join(rootDir, 'test', name, file);
      return `describe(${JSON.stringify(`${name}/${file}`)}, () => {\n  require(${JSON.stringify(path)});\n});`;
    });
    // The last call is valid for all of them.
    parts.push('jest.setTimeout(300_000);');
    const path = join(folder, `${index + 1}.test.js`);
    const text = `${parts.join('\n')}\n`;
    // Another run may be reading it.
    if (!existsSync(path) || readFileSync(path, 'utf8') !== text) writeFileSync(path, text);
  });
  const alone = files.filter(isLong).map(({ file }) => join(rootDir, 'test', name, file));
  return { testMatch: [`${folder}/*.test.js`, ...alone] };
};

/** Tests mostly wait: for answers, restarts, leases and deadlines. So more files run at once than there are cores. */
const maxWorkers = 3;

/** @type {import('jest').Config} */
module.exports = {
  maxWorkers,
  testSequencer: '<rootDir>/.config/test-sequencer.cjs',
  rootDir,
  // Several times what a test needs on a busy machine.
  testTimeout: 120_000,
  projects: [
    suite('unit', groupsOf('unit', 4)),
    suite('contract', groupsOf('contract', 2)),
    suite('api', { ...withDatabase, ...groupsOf('api', 6) }),
    suite('security', { ...withDatabase, ...groupsOf('security', 8) }),
    suite('faults', { ...withProcesses, ...groupsOf('faults', 12) }),
    suite('s3', withProcesses),
    suite('redis', withProcesses),
    suite('browser', withDatabase),
    suite('clients', withProcesses),
  ],
};
