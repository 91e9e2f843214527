import { Ctx, Query, Resolver } from 'type-graphql';
import type { GraphQLContext } from '../graphql/context';
import { ViewerType } from './viewer.type';

/** The viewer for clients. */
@Resolver()
export class ViewerResolver {
  @Query(() => ViewerType, { description: 'Who you are.' })
  viewer(@Ctx() { viewer }: GraphQLContext): ViewerType {
    return { owner: viewer.owner, scopes: [...viewer.scopes] };
  }
}
