import { Query, Resolver } from 'type-graphql';
import type { ProviderStyle } from '../upstream/provider';
import { Style } from './style.type';

/** The styles of the configured provider. */
@Resolver()
export class StyleResolver {
  constructor(private readonly offered: readonly ProviderStyle[]) {}

  @Query(() => [Style], { description: 'The styles of the configured avatar service.' })
  styles(): readonly Style[] {
    return this.offered;
  }
}
