#include "harness.h"
namespace check {
void check_elementwise(); void check_norms(); void check_rope(); void check_gated(); void check_embedding(); void bench_elementwise();
void check_numbers(); void bench_numbers(); void check_loss(); void bench_loss(); void check_optimizer(); void bench_optimizer(); void check_sampling(); void bench_sampling();
void check_fp8(); void bench_fp8(); void check_lora(); void bench_lora(); void check_linear_decode(); void bench_linear_decode(); void check_linear_vector(); void bench_linear_vector(); void check_linear_rows(); void bench_linear_rows(); void check_attention(); void bench_attention(); void check_paged(); void bench_paged(); void check_attention_step(); void check_walk(); void bench_walk();
const Family families[] = {
    {"elementwise", check_elementwise, bench_elementwise},
    {"norms", check_norms, nullptr},
    {"rope", check_rope, nullptr},
    {"gated", check_gated, nullptr},
    {"embedding", check_embedding, nullptr},
    {"numbers", check_numbers, bench_numbers},
    {"fp8", check_fp8, bench_fp8},
    {"loss", check_loss, bench_loss},
    {"optimizer", check_optimizer, bench_optimizer},
    {"sampling", check_sampling, bench_sampling},
    {"lora", check_lora, bench_lora},
    {"linear decode", check_linear_decode, bench_linear_decode},
    {"linear vector", check_linear_vector, bench_linear_vector},
    {"linear rows", check_linear_rows, bench_linear_rows},
    {"paged attention", check_paged, bench_paged},
    {"attention step", check_attention_step, nullptr},
    {"walk", check_walk, bench_walk},
    {"attention", check_attention, bench_attention},
};
const int family_count = sizeof families / sizeof *families;
}  // namespace check
