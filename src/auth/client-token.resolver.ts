import { Arg, Ctx, FieldResolver, ID, Mutation, Resolver, Root } from 'type-graphql';
import { readInputId, toGlobalId, type InputId, type NodeKind } from '../core/ids';
import type { GraphQLContext } from '../graphql/context';
import type { ClientTokenService } from './client-token.service';
import {
  ClientToken,
  CreateClientTokenInput,
  CreateClientTokenPayload,
  RevokeClientTokenInput,
  RevokeClientTokenPayload,
} from './client-token.type';

/** Mutations of client tokens. */
@Resolver(() => ClientToken)
export class ClientTokenResolver {
  constructor(private readonly service: Pick<ClientTokenService, 'create' | 'revoke'>) {}

  @Mutation(() => CreateClientTokenPayload, {
    nullable: true,
    description:
      'Makes a short-lived token for a browser. It acts for the user you act for now, and can do no more than you. It ends with your API key. Errors: FORBIDDEN unless you have sent an API key, or if you lack one of the scopes; INVALID_INPUT; NOT_FOUND; QUOTA_EXCEEDED for too many tokens of the user that have not ended.',
  })
  async createClientToken(
    @Arg('input', () => CreateClientTokenInput, { description: 'What the token may do.' })
    { modelId, generationId, maxUses = null, ...properties }: CreateClientTokenInput,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<CreateClientTokenPayload> {
    const { token, row } = await this.service.create(viewer, {
      ...properties,
      maxUses,
      model: decoded('AvatarModel', modelId, 'input.modelId'),
      generation: decoded('Generation', generationId, 'input.generationId'),
    });
    return { token, clientToken: { ...row, scopes: [...row.scopes] as ClientToken['scopes'] } };
  }

  @Mutation(() => RevokeClientTokenPayload, {
    nullable: true,
    description:
      'Ends a client token of the user you act for and closes its sockets. Repeating it succeeds. Errors: NOT_FOUND, also for a token that expired more than a day ago.',
  })
  async revokeClientToken(
    @Arg('input', () => RevokeClientTokenInput, { description: 'The client token.' })
    { id }: RevokeClientTokenInput,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<RevokeClientTokenPayload> {
    await this.service.revoke(viewer, readInputId('ClientToken', id));
    return { revokedId: id };
  }

  @FieldResolver(() => ID)
  id(@Root() { id }: ClientToken): string {
    return toGlobalId('ClientToken', id);
  }
}

function decoded(kind: NodeKind, globalId: string | null | undefined, field: string): InputId | null {
  return globalId == null ? null : readInputId(kind, globalId, field);
}
