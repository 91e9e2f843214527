// Builds the studio into dist/web, with compressed copies of its files beside them, and a list of its operations.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { defineConfig } from 'vite';
import { writePersistedQueries } from './persisted-queries.mjs';

const outDir = resolve(import.meta.dirname, '../dist/web');
/** The folder, and the path, of files whose names contain a hash of their content: `filesFolder` of the server. */
const assetsDir = 'studio';

const compressedCopies = {
  name: 'compressed-copies',
  closeBundle() {
    const folder = join(outDir, assetsDir);
    for (const name of readdirSync(folder).filter((name) => /[.](js|css|svg)$/.test(name))) {
      const bytes = readFileSync(join(folder, name));
      const params = { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
      writeFileSync(join(folder, `${name}.br`), brotliCompressSync(bytes, { params }));
      writeFileSync(join(folder, `${name}.gz`), gzipSync(bytes, { level: 9 }));
    }
  },
};

const persistedQueries = {
  name: 'persisted-queries',
  closeBundle: () => writePersistedQueries(outDir),
};

// Whatever the environment says: with another value, the bundle has the libraries' checks for developers.
process.env.NODE_ENV = 'production';

export default defineConfig({
  root: import.meta.dirname,
  logLevel: 'warn',
  build: {
    outDir,
    assetsDir,
    emptyOutDir: true,
    // The content security policy permits no inline data but pictures.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: ['es2022', 'safari16'],
    // The licences of the packages in the bundle.
    license: { fileName: 'licenses.md' },
    chunkSizeWarningLimit: 500,
  },
  plugins: [compressedCopies, persistedQueries],
  // `npx vite web`, beside a server on its default port.
  server: {
    proxy: {
      '/graphql': { target: 'http://127.0.0.1:4000', ws: true },
      ...Object.fromEntries(
        ['/uploads', '/media', '/exports', '/downloads', '/graphiql'].map((path) => [
          path,
          'http://127.0.0.1:4000',
        ]),
      ),
    },
  },
});
