import js from '@eslint/js';
import { defineConfig, globalIgnores } from 'eslint/config';
import prettier from 'eslint-config-prettier';
import { importX } from 'eslint-plugin-import-x';
import jest from 'eslint-plugin-jest';
import reactHooks from 'eslint-plugin-react-hooks';
import tsdoc from 'eslint-plugin-tsdoc';
import tseslint from 'typescript-eslint';
import { project } from './project-rules.mjs';

/** Counts lines of code: no blank lines, no comments. */
const atMost = (max) => ['error', { max, skipBlankLines: true, skipComments: true }];

/** Re-exports hide the file that defines a name, and cause cycles. */
const noBarrels = ['ExportAllDeclaration', 'ExportNamedDeclaration[source.value=/^[.]/]'].map((selector) => ({
  selector,
  message: 'No re-exports: import it from the file that defines it.',
}));

const noEnvironment = {
  properties: {
    object: 'process',
    property: 'env',
    message: 'The environment is read in main.ts and parsed once in config.ts; take the setting from there.',
  },
  imports: {
    name: 'node:process',
    importNames: ['env'],
    message: 'See no-restricted-properties: process.env.',
  },
};

/** Globals for outside calls; dependency-cruiser checks imports only. */
const globalsThatCallOut = ['fetch', 'WebSocket', 'EventSource'].map((name) => ({
  name,
  message: 'Outside calls are made in upstream/, with time and size limits.',
}));

const noBareTransaction = {
  selector: 'CallExpression[callee.property.name="transaction"]',
  message: 'Writes for an owner use writeTransaction of accounts/write-admission.repository.ts.',
};

const noSignalAny = {
  object: 'AbortSignal',
  property: 'any',
  message: 'It leaks into a parent signal that lives on: use withSignal of core/clock.ts.',
};

const noModuleMocks = ['mock', 'doMock', 'unstable_mockModule'].map((property) => ({
  object: 'jest',
  property,
  message: 'No mocks of modules: start a real server, or hand the test double to the constructor.',
}));

/** Names that the type checker knows in TypeScript files. */
const nodeGlobals = Object.fromEntries(
  [
    'AbortSignal',
    'Buffer',
    'clearTimeout',
    'fetch',
    'global',
    'performance',
    'setImmediate',
    'setTimeout',
  ].map((name) => [name, 'readonly']),
);

export default defineConfig(
  globalIgnores(['dist', 'schema', 'coverage', '.likeness', 'web/src/graphql/operations.ts']),
  // Rules are changed here, with a reason; comments cannot disable them.
  { linterOptions: { noInlineConfig: true } },
  js.configs.recommended,
  {
    plugins: { 'import-x': importX, project },
    rules: {
      'project/no-inline-disabling': 'error',
      'import-x/no-duplicates': ['error', { 'prefer-inline': true }],
      'import-x/order': ['error', { alphabetize: { order: 'asc' }, 'newlines-between': 'never' }],
      'no-warning-comments': ['error', { terms: ['todo', 'fixme', 'xxx', 'hack'] }],
      'max-lines': atMost(250),
      'max-lines-per-function': atMost(50),
      // A flat switch over all cases is one decision, not as many as it has cases.
      complexity: ['error', { max: 8, variant: 'modified' }],
    },
  },
  {
    files: ['**/*.{ts,tsx}'],
    extends: [tseslint.configs.strict, tseslint.configs.stylistic],
    plugins: { tsdoc },
    rules: {
      'tsdoc/syntax': 'error',
      'project/file-names': 'error',
      'import-x/no-default-export': 'error',
      'no-console': 'error',
      'no-restricted-syntax': ['error', ...noBarrels],
      'no-restricted-properties': ['error', noEnvironment.properties, noSignalAny],
      'no-restricted-imports': ['error', { paths: [noEnvironment.imports] }],
      '@typescript-eslint/max-params': ['error', { max: 5 }],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      // Resolvers and entities are classes because of their decorators.
      '@typescript-eslint/no-extraneous-class': ['error', { allowWithDecorator: true }],
      // `match[1]!` after a successful match is clearer than an unreachable branch.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // GraphQL passes arguments by position; unused ones start with `_`.
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', ignoreRestSiblings: true }],
    },
  },
  {
    files: ['src/**/*.ts'],
    rules: { 'project/documented-exports': 'error' },
  },
  {
    files: ['src/**/*.ts'],
    // The client, and the command line, which is a client like any other, call the gateway; one check calls the bucket as clients do.
    ignores: [
      ...['src/upstream/**', 'src/sandbox/**', 'src/cli/**', 'src/client/**'],
      'src/storage/upload-url-check.ts',
    ],
    rules: { 'no-restricted-globals': ['error', ...globalsThatCallOut] },
  },
  {
    // The entry of likeness/client, which is imported under that name only.
    files: ['src/client/index.ts'],
    rules: { 'no-restricted-syntax': 'off' },
  },
  {
    files: ['src/**/*.service.ts', 'src/**/*.lifecycle.ts'],
    // The erasure itself, and the revocation of a key, which no erasure may refuse.
    ignores: ['src/privacy/erasure.service.ts', 'src/auth/api-key.service.ts'],
    rules: { 'no-restricted-syntax': ['error', ...noBarrels, noBareTransaction] },
  },
  {
    // The program's entries, which alone hand the environment on, and settings of native libraries.
    files: [
      ...['src/main.ts', 'src/core/thread-pool.ts', 'src/sandbox/picture.ts', 'src/cli/likeness.ts'],
      ...['ormconfig.ts', 'test/**/*.ts'],
    ],
    rules: { 'no-restricted-properties': ['error', noSignalAny], 'no-restricted-imports': 'off' },
  },
  {
    // TypeORM's command line wants the data source as the default export.
    files: ['ormconfig.ts'],
    rules: { 'import-x/no-default-export': 'off' },
  },
  {
    // A migration is a record: it is as long as the change was.
    files: ['src/database/migrations/*.ts'],
    rules: { 'max-lines': 'off', 'project/file-names': 'off' },
  },
  {
    files: ['test/**/*.ts'],
    extends: [jest.configs['flat/recommended']],
    rules: {
      'no-restricted-properties': ['error', ...noModuleMocks],
      'jest/no-disabled-tests': 'error',
      'jest/no-commented-out-tests': 'error',
      // Waiting for a state is an assertion: it fails if the state is not reached.
      'jest/expect-expect': [
        'error',
        { assertFunctionNames: ['expect*', '**.expect*', 'until', 'fc.assert'] },
      ],
      // Assertions for every test of a file may be in a hook.
      'jest/no-standalone-expect': ['error', { additionalTestBlockFunctions: ['afterEach', 'afterAll'] }],
      'max-lines': atMost(300),
      // The length of a `describe` is irrelevant.
      'max-lines-per-function': 'off',
    },
  },
  {
    // The studio: components are named as in React, and their markup makes functions long.
    files: ['web/**/*.{ts,tsx}'],
    extends: [reactHooks.configs.flat.recommended],
    rules: {
      'project/file-names': 'off',
      'project/component-files': 'error',
      'max-lines-per-function': atMost(100),
      complexity: ['error', { max: 12, variant: 'modified' }],
    },
  },
  {
    files: ['**/*.{mjs,cjs}'],
    languageOptions: { globals: { process: 'readonly', console: 'readonly', URL: 'readonly' } },
  },
  {
    // The benchmark is a program for Node like the product, but without types.
    files: ['bench/**/*.{mjs,cjs}'],
    languageOptions: { globals: nodeGlobals },
  },
  {
    files: ['**/*.cjs'],
    languageOptions: { sourceType: 'commonjs', globals: { __dirname: 'readonly' } },
  },
  prettier,
);
