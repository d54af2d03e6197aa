# Sources that are made, not written. Included by the Makefile before its rules for libraries.
#
# The stamp carries the dependencies, because the generator leaves files alone that would not change:
# then nothing is compiled again.

COMMAND_STAMP := $(BUILD)/generated/command_table.stamp
GENERATED     += $(COMMAND_STAMP)
GENERATED_OBJ_command := $(BUILD)/obj/generated/command_table.o

$(COMMAND_STAMP): tools/generate-commands $(wildcard redis-compat/commands/*.json)
	@mkdir -p $(@D)
	@echo "  GEN   $(@D)/command_table.c"
	@tools/generate-commands table $(@D) && touch $@

$(BUILD)/generated/command_table.c: $(COMMAND_STAMP) ;

$(BUILD)/obj/generated/%.o: $(BUILD)/generated/%.c
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CCACHE) $(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

docs: ## Write docs/commands.md and the README's command table from the specifications
	@tools/generate-commands docs

check-docs: ## Fail where `make docs` would change something
	@tools/generate-commands check

.PHONY: docs check-docs
