import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import { ScopeEnum } from '../accounts/scope.type';
import type { Scope } from '../core/viewer';
import { Node } from '../graphql/node';
import { lifetimeSeconds } from './client-token.service';

@ObjectType({
  implements: Node,
  description:
    'A token that a browser uses in place of your API key. `node(id)` returns it until it has expired or was revoked.',
})
export class ClientToken implements Node {
  @Field(() => ID, { description: 'The global id, for `revokeClientToken` and `node(id)`.' })
  id: string;

  @Field(() => [ScopeEnum], { description: 'What it may do: READ, WRITE or both.' })
  scopes: Scope[];

  @Field(() => Date, { description: 'When it was created.' })
  createdAt: Date;

  @Field(() => Date, { description: 'When it ends; at that time its sockets are closed.' })
  expiresAt: Date;

  @Field(() => Int, {
    nullable: true,
    description: 'How many operations it may still start. Null: any number.',
  })
  usesLeft: number | null;

  @Field(() => Int, { description: 'How many photos it may still upload.' })
  uploadsLeft: number;
}

@InputType()
export class CreateClientTokenInput {
  @Field(() => [ScopeEnum], { description: 'READ, WRITE or both, at most those that you have.' })
  scopes: Scope[];

  @Field(() => ID, {
    nullable: true,
    description:
      'The global id of a model: the token is only for this model and what is made from it. Null: not restricted to a model.',
  })
  modelId?: string | null;

  @Field(() => ID, {
    nullable: true,
    description:
      'The global id of a generation: the token is only for this generation and its avatars. Null: not restricted to a generation.',
  })
  generationId?: string | null;

  @Field(() => Int, {
    defaultValue: 0,
    description:
      'How many photos it may upload with `createPhotoUploads`, including rejected ones. 0: none. Photos by URL do not count.',
  })
  maxUploads: number;

  @Field(() => Int, {
    defaultValue: lifetimeSeconds.default,
    description: 'How long it is valid, in seconds: 60 to 3,600, but not longer than your API key.',
  })
  expiresInSeconds: number;

  @Field(() => Int, {
    nullable: true,
    description:
      'How many operations it may start, at least 1; null: any number. 1 makes it single-use. A subscription is one operation. An operation that is refused before it is executed, or only asks for the schema, does not count.',
  })
  maxUses?: number | null;
}

@ObjectType()
export class CreateClientTokenPayload {
  @Field(() => String, {
    description: 'The token, `lct_…`: send it as `Authorization: Bearer …`. It is not shown again.',
  })
  token: string;

  @Field(() => ClientToken, { description: 'The properties of the token.' })
  clientToken: ClientToken;
}

@InputType()
export class RevokeClientTokenInput {
  @Field(() => ID, { description: 'The global id of the client token.' })
  id: string;
}

@ObjectType()
export class RevokeClientTokenPayload {
  @Field(() => ID, { description: 'The global id of the revoked client token.' })
  revokedId: string;
}
