#include "base/ebb.h"

bool ebb_note(struct ebb *ebb, size_t number)
{
    size_t most = atomic_load(&ebb->most);

    while (number > most) {
        if (atomic_compare_exchange_weak(&ebb->most, &most, number)) {
            return false;
        }
    }
    size_t fallen = most - number;
    return fallen >= EBB_LEAST && fallen >= most / EBB_PART &&
           atomic_compare_exchange_strong(&ebb->most, &most, number);
}
