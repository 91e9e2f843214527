import { Client } from './client';
import { likeness } from './command-line';
import type { TestGateway } from './gateway';
import { GraphQLClient, type HttpResult } from './graphql-client';

/** A client token, as its backend receives it. */
export interface Minted {
  token: string;
  clientToken: {
    id: string;
    scopes: string[];
    expiresAt: string;
    usesLeft: number | null;
    uploadsLeft: number;
  };
}

const create = `mutation ($input: CreateClientTokenInput!) {
  createClientToken(input: $input) { token clientToken { id scopes expiresAt usesLeft uploadsLeft } } }`;

/** Creates an API key on the command line. */
async function newKey(gateway: TestGateway, owner: string, ...options: string[]): Promise<string> {
  const environment = { DATABASE_URL: gateway.database.url };
  const { code, out, remarks } = await likeness(environment, 'keys', 'create', '--owner', owner, ...options);
  if (code !== 0) throw new Error(remarks);
  return out.trim();
}

/** Revokes an API key on the command line. */
export async function revokeKey(gateway: TestGateway, key: string): Promise<void> {
  await likeness({ DATABASE_URL: gateway.database.url }, 'keys', 'revoke', key.split('_')[1]!);
}

/** A backend with an API key, which acts for one user. */
export class Backend {
  private constructor(
    private readonly gateway: TestGateway,
    readonly key: string,
    readonly client: GraphQLClient,
  ) {}

  /** @param user - null: the backend acts for itself, as the owner `shop` */
  static async of(gateway: TestGateway, user: string | null, ...options: string[]): Promise<Backend> {
    const key = await newKey(gateway, 'shop', ...(user === null ? [] : ['--on-behalf']), ...options);
    const headers = user === null ? undefined : { 'x-likeness-owner': user };
    return new Backend(gateway, key, new GraphQLClient(() => gateway.url, { token: key, headers }));
  }

  /** The response to `createClientToken`. */
  post(input: object): Promise<HttpResult> {
    return this.client.post(create, { input: { scopes: ['READ', 'WRITE'], ...input } });
  }

  /** Creates a token, by default for reading and writing. */
  async mint(input: object = {}): Promise<Minted> {
    const variables = { input: { scopes: ['READ', 'WRITE'], ...input } };
    return (await this.client.request<{ createClientToken: Minted }>(create, variables)).createClientToken;
  }

  /** A browser with a new token. */
  async browser(input: object = {}): Promise<Client> {
    return this.browserWith((await this.mint(input)).token);
  }

  browserWith(token: string, gateway: { url: string } = this.gateway): Client {
    return Client.with(gateway, 'browser', token);
  }

  async revoke(id: string): Promise<void> {
    await this.client.request('mutation ($id: ID!) { revokeClientToken(input: { id: $id }) { revokedId } }', {
      id,
    });
  }
}
