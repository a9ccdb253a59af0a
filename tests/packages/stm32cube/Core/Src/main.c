/* As CubeMX makes it, without the HAL: what stands between the USER CODE lines is the user's. SPDX-License-Identifier: Apache-2.0 */
#include "main.h"

/* USER CODE BEGIN Includes */
#include <stdint.h>

#include "app_person.h"

void person_example(void);
/* USER CODE END Includes */

/* USER CODE BEGIN 0 */
static volatile uint32_t *const usart1 = (volatile uint32_t *)0x40011000u;
enum { SR, DR, BRR, CR1 };

int __io_putchar(int c)
{
    while ((usart1[SR] & 0x80u) == 0) {
    }
    usart1[DR] = (uint32_t)c;
    return c;
}
/* USER CODE END 0 */

int main(void)
{
    /* USER CODE BEGIN 2 */
    usart1[CR1] = 0x2008u; /* UE, TE */
    app_person_init();
    person_example();
    /* USER CODE END 2 */
    while (1) {
    }
}

void Error_Handler(void)
{
    while (1) {
    }
}
