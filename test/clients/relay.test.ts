import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { exampleOperations } from '../support/examples';

const schemaPath = join(__dirname, '../../schema/schema.graphql');
const run = promisify(execFile);
/** The path of the program. */
const compiler = createRequire(__filename)('relay-compiler') as string;

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'relay-'));
  await cp(join(__dirname, 'relay'), folder, { recursive: true });
  await cp(schemaPath, join(folder, 'schema.graphql'));
});

afterEach(() => rm(folder, { recursive: true }));

/** Compiles all operations of the folder. Rejects with the compiler's messages. */
async function compile(): Promise<void> {
  const config = { src: '.', schema: './schema.graphql', language: 'javascript', eagerEsModules: true };
  await writeFile(join(folder, 'relay.config.json'), JSON.stringify(config));
  await run(compiler, ['relay.config.json'], { cwd: folder, env: { PATH: process.env.PATH } });
}

describe('the Relay compiler', () => {
  it('accepts the schema with paginated, refetchable and live operations', async () => {
    await compile();
    expect((await readdir(join(folder, '__generated__'))).sort()).toEqual(
      [
        'galleryModel',
        'galleryModelQuery',
        'galleryModels',
        'galleryModelsQuery',
        'galleryProgressSubscription',
      ]
        .concat(['galleryQuery', 'galleryRemoveMutation', 'galleryTrainMutation'])
        .map((name) => `${name}.graphql.js`),
    );
  });

  it('accepts every example', async () => {
    const examples = await exampleOperations();
    for (const { name, type, query } of examples) {
      // The compiler demands names of this form, from the name of the module.
      const suffix = type.charAt(0).toUpperCase() + type.slice(1);
      const renamed = query.replace(`${type} ${name}`, `${type} example${name}${suffix}`);
      await writeFile(join(folder, `example${name}.js`), `graphql\`${renamed}\`;\n`);
    }
    await compile();
    const compiled = (await readdir(join(folder, '__generated__'))).filter((name) =>
      name.startsWith('example'),
    );
    expect(compiled).toHaveLength(examples.length);
  });

  it('rejects an operation that the schema lacks', async () => {
    const unknown = 'graphql`query unknownQuery { viewer { favouriteColour } }`;\n';
    await writeFile(join(folder, 'unknown.js'), unknown);
    await expect(compile()).rejects.toThrow(/favouriteColour/);
  });
});
