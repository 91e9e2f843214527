import { balanceUrlOf } from '../../src/upstream/picsart/wire-format';
import { answer, type Script } from '../support/fake-upstream';
import { apiKey, PicsartCalls } from '../support/picsart-calls';

describe('a check of the picsart account', () => {
  let calls: PicsartCalls;

  beforeAll(async () => {
    calls = await PicsartCalls.start();
  });

  afterAll(() => calls.stop());

  const check = (script: Script): ReturnType<PicsartCalls['provider']['checkAccount']> => {
    calls.upstream.next(script);
    return calls.provider.checkAccount(new AbortController().signal);
  };

  it.each<[string, Script, boolean | null, number | null]>([
    ['a balance', answer(200, { credits: 41 }), true, 41],
    ['a balance of nothing', answer(200, { credits: 0 }), true, 0],
    ['a balance as text, in an envelope', answer(200, { data: { credits: '7' } }), true, 7],
    ['402', answer(402, {}), true, 0],
    ['401', answer(401, {}), false, null],
    ['403', answer(403, {}), null, null],
    ['404', answer(404, {}), null, null],
    ['405', answer(405, {}), null, null],
    ['500', answer(500, 'x'), null, null],
    ['something else', answer(200, { hello: 'world' }), null, null],
    ['HTML', answer(200, '<html>'), null, null],
  ])('reads %s', async (_, script, acceptsKey, credits) => {
    expect(await check(script)).toEqual({ acceptsKey, credits });
  });

  it('asks for the balance with the key', async () => {
    await check(answer(200, { credits: 1 }));
    const { method, path, headers } = calls.upstream.requests.at(-1)!;
    expect({ method, path }).toEqual({ method: 'GET', path: '/v1/balance' });
    expect(headers['x-picsart-api-key']).toBe(apiKey);
  });

  it('calls the separate balance host for the real service, and the base URL otherwise', () => {
    expect(balanceUrlOf('https://genai-avatars-api.picsart.io')).toBe(
      'https://genai-api.picsart.io/v1/balance',
    );
    expect(balanceUrlOf('http://127.0.0.1:4010')).toBe('http://127.0.0.1:4010/v1/balance');
  });
});
