/*
 * Settings of the environment: DDNS53_SERVER__LISTEN stands for server.listen, its value is YAML. They are laid over
 * the tree of ddns53d.yaml before anything is read from it, so that a value from here is read, checked and shown as one
 * of the file is. A variable of that prefix that names no setting is a problem; those of ddns53-client(1) are not ours.
 */
#ifndef DDNS53_CONFIG_ENVIRONMENT_H
#define DDNS53_CONFIG_ENVIRONMENT_H

#include "base/arena.h"
#include "base/yaml.h"

/* Zeroed to begin with. */
struct overlay {
    struct arena arena;
    const struct yaml_node *root; /* the file's tree with what the environment says; borrows from the file's */
    size_t count;                 /* variables that count */
};

/* `environment` as environ is: "NAME=VALUE", NULL at the end. `root` must be a mapping. 0, -EINVAL with problems, -ENOMEM;
 * overlay_done in any case. What comes from a variable has line 0. */
int overlay_init(struct problems *problems, const struct yaml_node *root, const char *const *environment,
                 struct overlay *ret_overlay);
void overlay_done(struct overlay *overlay);

/* One more problem, for what is wrong may stand in none of the file's lines: which variables count. */
void overlay_explain(struct problems *problems, const char *const *environment);

#endif
